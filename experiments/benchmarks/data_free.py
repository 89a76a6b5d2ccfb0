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

# By bits. Lambda is in squared steps: the finer these are, the larger is what pays.
_LAMBDAS = {
    8: (0.0, 8.0, 16.0),
    7: (0.0, 4.0, 8.0),
    6: (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
    5: (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5),
    4: (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    3: (0.0, 0.1, 0.2, 0.3),
}
SETTINGS: tuple[dict[str, Any], ...] = tuple(
    {"bits": bits, "lambda": trade} for bits, trades in _LAMBDAS.items() for trade in trades
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
