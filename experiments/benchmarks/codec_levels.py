"""Levels of networks against NNCodec: trained, pruned and rounded ones, and dense ones.

NNCodec codes the levels as integers, at the best of its settings (`nncodec_peer.levels_bytes`), and
4 bytes are added for each step, as a `.jxc` file has them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.benchmarks import trained_levels
from experiments.benchmarks.checkpoint_networks import load
from experiments.benchmarks.codec_fixed import payload_bytes
from experiments.benchmarks.nncodec_peer import levels_bytes
from experiments.benchmarks.temporary import file_bytes
from jaxcomp.codec.counted import entropy_bits
from jaxcomp.trees import named_leaves

DENSE = ("transformer", "g2p_en", "silero_vad")
_BITS = (3, 4, 5, 6, 8)
_FOURIER = "stft_conv/weight"  # of silero_vad: not trained, and half of its values are repeated

Levels = dict[str, tuple[np.ndarray, np.ndarray]]  # levels and steps by name


def trained() -> Iterator[dict[str, Any]]:
    """Yield a row for each set of `trained_levels`."""
    for name, made in trained_levels.SETS.items():
        levels = trained_levels.load(name)
        yield {"set": name, **made._asdict(), **_row(levels)}


def dense(networks: tuple[str, ...] = DENSE) -> Iterator[dict[str, Any]]:
    """Yield a row for each network, number of bits, and steps of tensors or of output units."""
    for network in networks:
        weights = {
            name: np.asarray(w, np.float32)
            for name, w in named_leaves(load(network).params).items()
            if np.ndim(w) > 1 and name != _FOURIER
        }
        for bits in _BITS:
            for per in ("tensor", "unit"):
                levels = {name: _rounded(name, w, bits, per) for name, w in weights.items()}
                arrays = [one for one, _ in levels.values()]
                yield {
                    "network": network,
                    "bits": bits,
                    "steps": per,
                    "entropy_bytes": round(sum(map(_entropy_bytes, arrays))),
                    "payload_bytes": payload_bytes(arrays),
                    **_row(levels),
                }


def _row(levels: Levels) -> dict[str, Any]:
    steps = sum(step.nbytes for _, step in levels.values())
    bitstream = levels_bytes({name: one for name, (one, _) in levels.items()})
    return {
        "weights": sum(one.size for one, _ in levels.values()),
        "nonzeros": sum(int(np.count_nonzero(one)) for one, _ in levels.values()),
        "file_bytes": file_bytes(levels),
        "nncodec_bytes": bitstream,
        "nncodec_file_bytes": bitstream + steps,
    }


def _entropy_bytes(levels: np.ndarray) -> float:
    """Return the entropy of the frequencies of levels, which a file would have to tell as well."""
    return entropy_bits(np.unique(levels, return_counts=True)[1]) / 8


def _rounded(name: str, w: np.ndarray, bits: int, per: str) -> tuple[np.ndarray, np.ndarray]:
    """Return levels of the given bits, the largest for the largest weight, and the steps."""
    largest = 2 ** (bits - 1) - 1
    unit = w.ndim - 1 if name.endswith("kernel") else 0
    axes = tuple(axis for axis in range(w.ndim) if axis != unit)
    steps = np.abs(w).max(axis=axes, keepdims=True) if per == "unit" else np.abs(w).max()
    steps = np.asarray(steps / largest, np.float32)
    steps = np.where(steps > 0, steps, np.float32(1))
    return np.rint(w / steps).clip(-largest, largest).astype(np.int8), steps
