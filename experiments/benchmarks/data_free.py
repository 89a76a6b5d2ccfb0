"""What `jaxcomp compress` does without data: weights of some bits, biases of 8."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jaxcomp
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.subject import Params
from jaxcomp.compress import compress
from jaxcomp.quantize import scalar

BIAS_BITS = 8

SETTINGS: tuple[dict[str, Any], ...] = tuple(
    {"bits": bits, "lambda": trade}
    for bits in range(8, 2, -1)
    for trade in (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
)


def coded(params: Params, settings: Sequence[dict[str, Any]] = SETTINGS) -> Iterator[Coded]:
    """Yield the network in a `.jxc` file for each setting, `bits` and `lambda` of the command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.jxc"
        for setting in settings:
            done = compress(
                params,
                path,
                quantizer=partial(scalar.bits_levels, bits=setting["bits"]),
                trade=setting["lambda"],
                bias_quantizer=partial(scalar.bits_levels, bits=BIAS_BITS),
            )
            yield Coded(setting, done.file_bytes, jaxcomp.load(path))
