"""NNCodec, the reference software of ISO/IEC 15938-17, with its own quantizer.

python -m experiments.benchmarks.nncodec_peer

creates the environment that it runs in, in the cache folder, since it wants an older NumPy. That
takes a C++ compiler and some minutes.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.coded import Coded
from experiments.benchmarks.dense_networks import nested
from experiments.benchmarks.subject import Params
from jaxcomp.data.cache import cache_folder
from jaxcomp.trees import named_leaves

NNCODEC, NUMPY = "NNCodec==2.1.3", "numpy<2"
_MADE_OF = f"{NNCODEC} {NUMPY}"
_SCRIPT = Path(__file__).with_name("nncodec_script.py")

Setting = dict[str, Any]  # arguments of `nncodec.nnc.compress`

# The step of a QP is (4 + QP mod 4) 2^(floor(QP / 4) - 2); that of arrays that are not weights is
# 2^-10, about 8 bits of a bias. Dependent quantization (trellis coded) is the default of NNCodec,
# without rate-distortion optimization; a larger lambda gives levels that cost fewer bits.
_COMMON = {"nonweight_qp": -40, "row_skipping": True}
SETTINGS: tuple[Setting, ...] = (
    *(
        {"qp": qp, "use_dq": True, "lambda_scale": trade, **_COMMON}
        for trade, step in ((0, 1), (4, 2), (16, 2), (32, 2))
        for qp in range(-32, -9, step)
    ),
    *({"qp": qp, "use_dq": False, "lambda_scale": 0, **_COMMON} for qp in range(-26, -9, 2)),
)


def main() -> None:
    """The command."""
    print(create_environment())


def create_environment() -> Path:
    """Create the environment unless it is there, and return its Python.

    Raises:
      subprocess.CalledProcessError: if it cannot be created.
    """
    folder = _folder()
    if not _is_complete(folder):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [_python(folder), "-m", "pip", "install"]
        subprocess.run([*pip, NUMPY], check=True)
        subprocess.run([*pip, "--no-deps", NNCODEC], check=True)
        _mark(folder).write_text(_MADE_OF)
    return _python(folder)


def coded(params: Params, settings: Sequence[Setting] = SETTINGS) -> Iterator[Coded]:
    """Yield the network in a file for each setting.

    Raises:
      FileNotFoundError: if the environment has not been created; the message has the command.
    """
    folder = _folder()
    if not _is_complete(folder):
        raise FileNotFoundError(
            f"there is no environment with {_MADE_OF} in {folder}: "
            "python -m experiments.benchmarks.nncodec_peer creates it"
        )
    return _coded(_python(folder), params, settings)


def _coded(python: Path, params: Params, settings: Sequence[Setting]) -> Iterator[Coded]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, wanted = folder / "arrays.npz", folder / "settings.json"
        np.savez(source, **{leaf: _turned(leaf, w) for leaf, w in named_leaves(params).items()})
        wanted.write_text(json.dumps(list(settings)))
        command = [python, _SCRIPT, source, wanted, folder]
        for number, setting in enumerate(settings):
            row = folder / f"{number}.json"
            # One process for all of them, and another one behind a setting at which it dies.
            if not row.exists():
                done = subprocess.run(command, capture_output=True, text=True)
                if not row.exists():
                    last = done.stderr.strip().rpartition("\n")[2][:300]
                    failed = f"the process ended with {done.returncode}: {last}"
                    row.write_text(json.dumps({"failed": failed}))
            found = json.loads(row.read_text())
            if "failed" in found:
                yield Coded(setting, None, None, found["failed"])
            else:
                with np.load(folder / f"{number}.npz", allow_pickle=False) as archive:
                    arrays = {leaf: _turned(leaf, w, back=True) for leaf, w in archive.items()}
                yield Coded(setting, found["bytes"], nested(arrays))


def _turned(name: str, w: np.ndarray, *, back: bool = False) -> np.ndarray:
    """Return kernels of Flax, [window..., in, out], as NNCodec wants weights, [out, in, window...].

    Others are as they were. Orders of the axes that are not that of the memory make it fail.
    """
    if not name.endswith("kernel"):
        return w
    ends = ((0, 1), (-1, -2)) if back else ((-1, -2), (0, 1))
    return np.ascontiguousarray(np.moveaxis(w, *ends))


def _folder() -> Path:
    return cache_folder() / "nncodec"


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _mark(folder: Path) -> Path:
    return folder / "requirements.txt"  # written last


def _is_complete(folder: Path) -> bool:
    mark = _mark(folder)
    return mark.is_file() and mark.read_text() == _MADE_OF


if __name__ == "__main__":
    main()
