"""What a file takes without any choice: as it is, and with weights of 8 bits."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax

import jaxcomp
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.subject import Params
from experiments.report.storage import as_int8, reference_bytes
from jaxcomp.trees import weight_mask


def coded(params: Params) -> Iterator[Coded]:
    """Yield the network in each form, by `stored` of its setting."""
    sizes = reference_bytes(params)
    yield Coded({"stored": "float32_zstd19"}, sizes["float32_zstd19"], params)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.jxc"
        size = jaxcomp.save(path, params)
        yield Coded({"stored": "lossless_jxc"}, size, jaxcomp.load(path))
    rounded = jax.tree.map(
        lambda w, is_weight: as_int8(w).values() if is_weight else w, params, weight_mask(params)
    )
    yield Coded({"stored": "int8_zstd19"}, sizes["int8_zstd19"], rounded)
