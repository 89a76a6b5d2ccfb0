"""NNCodec, the reference software of ISO/IEC 15938-17, with its own quantizer.

python -m experiments.benchmarks.nncodec_peer

creates the environment that it runs in, in the cache folder: it wants an older NumPy, and PyTorch.
That takes some minutes and a C++ compiler.
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
from jaxcomp.data.prepared import cache_folder
from jaxcomp.trees import named_leaves

REQUIREMENTS = ("NNCodec==2.1.3", "numpy<2", "torch==2.13.0")
_SCRIPT = Path(__file__).with_name("nncodec_script.py")

Setting = dict[str, Any]  # arguments of `nncodec.nnc.compress`

# Dependent quantization (trellis coded) is the default of NNCodec. The step of a QP is
# (4 + QP mod 4) 2^(floor(QP / 4) - 2); of what is not a weight it is 2^-10, about 8 bits of biases.
SETTINGS: tuple[Setting, ...] = tuple(
    {"qp": qp, "use_dq": use_dq, "nonweight_qp": -40, "row_skipping": True}
    for use_dq in (True, False)
    for qp in range(-38, -9, 2)
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
        subprocess.run([_python(folder), "-m", "pip", "install", *REQUIREMENTS], check=True)
        _mark(folder).write_text("\n".join(REQUIREMENTS))
    return _python(folder)


def coded(params: Params, settings: Sequence[Setting] = SETTINGS) -> Iterator[Coded]:
    """Yield the network in a file for each setting.

    Raises:
      FileNotFoundError: if the environment has not been created; the message has the command.
    """
    folder = _folder()
    if not _is_complete(folder):
        raise FileNotFoundError(
            f"there is no environment with {', '.join(REQUIREMENTS)} in {folder}: "
            "python -m experiments.benchmarks.nncodec_peer creates it"
        )
    return _coded(_python(folder), params, settings)


def _coded(python: Path, params: Params, settings: Sequence[Setting]) -> Iterator[Coded]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, wanted = folder / "arrays.npz", folder / "settings.json"
        np.savez(source, **named_leaves(params))
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
                    yield Coded(setting, found["bytes"], nested(dict(archive)))


def _folder() -> Path:
    return cache_folder() / "nncodec"


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _mark(folder: Path) -> Path:
    return folder / "requirements.txt"  # written last


def _is_complete(folder: Path) -> bool:
    mark = _mark(folder)
    return mark.is_file() and mark.read_text() == "\n".join(REQUIREMENTS)


if __name__ == "__main__":
    main()
