"""Code arrays with NNCodec's own quantizer. Run by a Python that has NNCodec, and none of JAXComp.

python nncodec_script.py ARRAYS.npz SETTINGS.json FOLDER

Setting i, a dict of arguments of `nncodec.nnc.compress`, writes FOLDER/i.nnc and what that decodes
to, FOLDER/i.npz. FOLDER/i.json, which comes last, has the bytes, or how it failed.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

# NNCodec imports these for its tools that train networks. Coding arrays calls none of them, and
# PyTorch alone is some gigabytes.
_NOT_NEEDED = ("cv2", "h5py", "pandas", "sklearn", "torch", "torchvision", "tqdm")


def main() -> None:
    """The command."""
    from stand_ins import stand_in  # beside this file

    stand_in(_NOT_NEEDED)
    source, settings, folder = map(Path, sys.argv[1:])
    with np.load(source, allow_pickle=False) as archive:
        arrays = dict(archive)
    for number, setting in enumerate(json.loads(settings.read_text())):
        row = folder / f"{number}.json"
        if not row.exists():
            row.write_text(json.dumps(_coded(arrays, setting, folder / str(number))))


def _coded(arrays: dict[str, np.ndarray], setting: dict[str, Any], path: Path) -> dict[str, Any]:
    from nncodec import nnc

    begin = time.perf_counter()
    file = path.with_suffix(".nnc")
    try:
        # Copies: the encoder writes into what it is given.
        given = {name: array.copy() for name, array in arrays.items()}
        nnc.compress(given, bitstream_path=str(file), **setting)
        decoded = nnc.decompress(str(file))
        if {name: w.shape for name, w in decoded.items()} != {
            name: w.shape for name, w in arrays.items()
        }:
            return {"failed": "the decoded arrays have other names or shapes"}
    except (Exception, SystemExit) as error:  # NNCodec leaves by SystemExit
        return {"failed": f"{type(error).__name__}: {error}"[:300]}
    np.savez(path.with_suffix(".npz"), **decoded)
    return {"bytes": file.stat().st_size, "seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    main()
