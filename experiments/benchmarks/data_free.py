"""What `jaxcomp compress` does without data: weights of some bits, biases of 8.

Writing a file takes longer than to judge what is in it. So settings are looked at without one first
(`rounded`), and files are written for those that promise to be small (`coded`).
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import jaxcomp
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.dense_networks import nested
from experiments.benchmarks.subject import Params
from jaxcomp.compression import compress
from jaxcomp.compression.data_free import bits_of
from jaxcomp.quantize import scalar
from jaxcomp.quantize.rate_distortion import rate_distortion
from jaxcomp.trees import named_leaves
from jaxcomp.weights import are_weights

Setting = dict[str, Any]  # `bits` and `lambda` of the command

BIAS_BITS = 8

# By bits. Lambda is in squared steps: the finer these are, the larger is what pays.
_LAMBDAS = {
    8: (0.0, 8.0, 16.0),
    7: (0.0, 4.0, 8.0, 16.0),
    6: (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0),
    5: (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0),
    4: (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5),
    3: (0.0, 0.1, 0.2, 0.3),
}
SETTINGS: tuple[Setting, ...] = tuple(
    {"bits": bits, "lambda": trade} for bits, trades in _LAMBDAS.items() for trade in trades
)


class Rounded(NamedTuple):
    """A network with rounded weights, and about how many bytes it takes."""

    params: Params
    entropy_bytes: float  # of the levels, each tensor by its own frequencies


def rounded(params: Params, setting: Setting) -> Rounded:
    """Round the weights by a setting, and leave biases as they are."""
    named, entropy = named_leaves(params), 0.0
    arrays = {}
    for (name, w), is_weight in zip(named.items(), are_weights(list(named.items())), strict=True):
        arrays[name] = w
        if is_weight:
            nearest = scalar.bits_levels(w, bits=setting["bits"])
            chosen = rate_distortion(w, nearest, setting["lambda"])
            arrays[name] = chosen.values()
            counts = np.unique(chosen.levels, return_counts=True)[1]
            entropy -= float(np.sum(counts * np.log2(counts / w.size)))
    return Rounded(nested(arrays), entropy / 8)


def coded(params: Params, settings: Sequence[Setting] = SETTINGS) -> Iterator[Coded]:
    """Yield the network in a `.jxc` file for each setting."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.jxc"
        for setting in settings:
            done = compress(
                params,
                path,
                quantizer=bits_of(setting["bits"]),
                trade=setting["lambda"],
                bias_quantizer=bits_of(BIAS_BITS),
            )
            yield Coded(setting, done.file_bytes, jaxcomp.load(path))
