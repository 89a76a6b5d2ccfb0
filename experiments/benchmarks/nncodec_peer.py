"""NNCodec, the reference software of ISO/IEC 15938-17: with its own quantizer, and with levels."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.coded import Coded
from experiments.benchmarks.dense_networks import nested
from experiments.benchmarks.peer import NNCODEC
from experiments.benchmarks.subject import Params
from jaxcomp.trees import named_leaves

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
_LOSSLESS: tuple[Setting, ...] = tuple({"row_skipping": skip} for skip in (True, False))


def coded(params: Params, settings: Sequence[Setting] = SETTINGS) -> Iterator[Coded]:
    """Yield the network in a file for each setting.

    Raises:
      FileNotFoundError: if the environment has not been created; the message has the command.
    """
    return _coded(NNCODEC.python(), params, settings)


def levels_bytes(levels: dict[str, np.ndarray]) -> int:
    """Return the bytes of a bitstream of levels: the fewest of four.

    Rows of zeros are skipped or not, and axes are as they are or those of output and input first.

    Raises:
      FileNotFoundError: if the environment has not been created; the message has the command.
      ValueError: if it fails, or decodes other levels.
    """
    found = []
    for turn in (_as_it_is, _outputs_first):
        arrays = {name: turn(array).astype(np.int32) for name, array in levels.items()}
        for one in _coded_arrays(NNCODEC.python(), arrays, _LOSSLESS):
            if one.failed is not None:
                raise ValueError(one.failed)
            if any((one.params[name] != array).any() for name, array in arrays.items()):
                raise ValueError("NNCodec decoded other levels")
            found.append(one.file_bytes)
    return min(found)


def _coded(python: Path, params: Params, settings: Sequence[Setting]) -> Iterator[Coded]:
    turned = {leaf: _turned(leaf, w) for leaf, w in named_leaves(params).items()}
    for one in _coded_arrays(python, turned, settings):
        if one.failed is None:
            arrays = {leaf: _turned(leaf, w, back=True) for leaf, w in one.params.items()}
            one = one._replace(params=nested(arrays))
        yield one


def _coded_arrays(
    python: Path, arrays: dict[str, np.ndarray], settings: Sequence[Setting]
) -> Iterator[Coded]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, wanted = folder / "arrays.npz", folder / "settings.json"
        np.savez(source, **arrays)
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
                    decoded = dict(archive)
                yield Coded(setting, found["bytes"], decoded)


def _turned(name: str, w: np.ndarray, *, back: bool = False) -> np.ndarray:
    """Return kernels of Flax, [window..., in, out], as NNCodec wants weights, [out, in, window...].

    Others are as they were. Orders of the axes that are not that of the memory make it fail.
    """
    if not name.endswith("kernel"):
        return w
    if back:
        return np.ascontiguousarray(np.moveaxis(w, (0, 1), (-1, -2)))
    return _outputs_first(w)


def _outputs_first(w: np.ndarray) -> np.ndarray:
    return w if w.ndim < 2 else np.ascontiguousarray(np.moveaxis(w, (-1, -2), (0, 1)))


def _as_it_is(w: np.ndarray) -> np.ndarray:
    return w
