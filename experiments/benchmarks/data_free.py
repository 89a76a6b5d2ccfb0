"""What `jaxcomp compress` does without data: settings of its options, biases of 8 bits.

Settings are judged on the validation split before a file is written, which takes longer. For each
loss of quality files are written of those whose levels have the lowest entropy.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxcomp
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.dense_networks import nested
from experiments.benchmarks.subject import Params, Subject
from jaxcomp.checkpoints import unit_axis
from jaxcomp.compression.arrays import (
    Arrays,
    Stored,
    as_stored,
    entropy_bytes,
    in_memory,
    values_of,
)
from jaxcomp.compression.data_free import Quantizer, bits_of, round_alone
from jaxcomp.quantizers import QUANTIZERS

Setting = dict[str, Any]  # options of the command: `bits`, `per_unit`, `step`, `codebook`, `lambda`

BIAS_BITS = 8
_BITS = (8, 7, 6, 5, 4, 3)
_VALUES = (64, 32, 24, 16, 12, 8, 6, 4)
_QUARTERS = range(52, 3, -1)  # of an octave: steps as shares of the largest weight
# Lambda is in squared steps: the finer these are, the larger is what pays.
_TRADES = (0.0, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0)
_TRADES_OF_CODEBOOKS = (0.0, 0.3, 1.0)
_BEYOND = 1.5  # times the largest loss: coarser settings are not looked at
_WRITTEN = 3  # files for each loss


class Judged(NamedTuple):
    """Holds a setting, what it loses, and about how many bytes it takes."""

    setting: Setting
    lost: float
    entropy_bytes: float  # each array by the frequencies of its own levels


def rows_of_settings(params: Params) -> Iterator[list[Setting]]:
    """Yield rows of settings, each from fine to coarse."""
    largest = max(float(np.abs(w).max()) for w in jax.tree.leaves(params))
    steps = [float(f"{largest * 2 ** (-quarter / 4):.3g}") for quarter in _QUARTERS]
    for trade in _TRADES:
        yield [{"bits": bits, "lambda": trade} for bits in _BITS]
        yield [{"bits": bits, "per_unit": True, "lambda": trade} for bits in _BITS]
        yield [{"step": step, "lambda": trade} for step in steps]
    for trade in _TRADES_OF_CODEBOOKS:
        yield [{"codebook": values, "lambda": trade} for values in _VALUES]


def rounded(arrays: Arrays, setting: Setting) -> Stored:
    """Return what the command would store of a network with such options."""
    axes = {}
    if setting.get("per_unit"):
        axes = {entry: unit_axis(entry, {}) for entry in arrays.weights}
    rounds = round_alone(
        arrays, _quantizer(setting), bits_of(BIAS_BITS), trade=setting["lambda"], axes=axes
    )
    load = arrays.checkpoint.load
    return {entry.name: rounds(entry, load(entry)) for entry in arrays.stored}


def judged(subject: Subject, rows: Iterable[list[Setting]]) -> Iterator[Judged]:
    """Yield the settings with what they lose on the validation split."""
    arrays = Arrays(in_memory(subject.params), None, None, False)
    dense = subject.quality(subject.params, "validation")
    for row in rows:
        for setting in row:
            stored = rounded(arrays, setting)
            params = nested({name: values_of(one) for name, one in stored.items()})
            lost = subject.quality(params, "validation") - dense
            yield Judged(setting, lost, entropy_bytes(stored))
            if lost > _BEYOND * max(subject.losses):
                break


def promising(found: Iterable[Judged], losses: Iterable[float]) -> list[Setting]:
    """Return for each loss the settings of the lowest entropy that stay below it."""
    in_order = sorted(found, key=lambda one: one.entropy_bytes)
    chosen: list[Setting] = []
    for loss in losses:
        good = [one.setting for one in in_order if one.lost <= loss][:_WRITTEN]
        chosen += [setting for setting in good if setting not in chosen]
    return chosen


def coded(subject: Subject) -> Iterator[Coded]:
    """Yield the network in a `.jxc` file for each setting that promises to be small."""
    arrays = Arrays(in_memory(subject.params), None, None, False)
    settings = promising(judged(subject, rows_of_settings(subject.params)), subject.losses)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.jxc"
        for setting in settings:
            done = arrays.write(path, as_stored(rounded(arrays, setting)), lambda _: None)
            yield Coded(setting, done.file_bytes, jaxcomp.load(path))


def _quantizer(setting: Setting) -> Quantizer:
    [name] = QUANTIZERS.keys() & setting.keys()
    return QUANTIZERS[name].rounding(setting[name])
