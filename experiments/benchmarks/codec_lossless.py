"""Networks as they are, in three types, against zstd-19, ZipNN and BigSmall."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

from experiments.benchmarks.checkpoint_networks import load
from experiments.benchmarks.peer import LOSSLESS
from experiments.benchmarks.temporary import lossless_bytes
from experiments.report.storage import zstd_bytes
from jaxcomp.trees import named_leaves

NETWORKS = ("transformer", "g2p_en", "silero_vad")
_TYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}
_SCRIPT = Path(__file__).with_name("lossless_script.py")


def rows(networks: tuple[str, ...] = NETWORKS) -> Iterator[dict[str, Any]]:
    """Yield a row for each network and type; the network is rounded to the type."""
    for network in networks:
        params = {name: np.asarray(w) for name, w in named_leaves(load(network).params).items()}
        for name, dtype in _TYPES.items():
            arrays = {leaf: np.ascontiguousarray(w.astype(dtype)) for leaf, w in params.items()}
            yield {
                "network": network,
                "type": name,
                "bytes": sum(array.nbytes for array in arrays.values()),
                "file_bytes": lossless_bytes(arrays),
                "zstd19": zstd_bytes([array.tobytes() for array in arrays.values()]),
                **_peers(arrays),
            }


def _peers(arrays: dict[str, np.ndarray]) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.safetensors"
        save_file(arrays, source)
        command = [LOSSLESS.python(), _SCRIPT, source, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])
