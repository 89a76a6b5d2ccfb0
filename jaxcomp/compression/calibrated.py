"""Compresses with calibration data, to a goal, and checks the result on held-out examples."""

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.arguments import check_number
from jaxcomp.compression.arrays import Arrays, Written
from jaxcomp.compression.calibration import Calibration
from jaxcomp.compression.candidates import Candidates, Source, Tune, rivals_of
from jaxcomp.compression.data_free import Quantizer, bits_of, check_finite, round_alone
from jaxcomp.compression.from_moments import FromMoments
from jaxcomp.compression.in_order import InOrder
from jaxcomp.compression.moments_file import Moments
from jaxcomp.files import check_replaceable, replacing

PyTree = Any

_BIAS_BITS = 8


class Outcome(NamedTuple):
    """Reports the result of calibration.

    A loss is a mean over predictions: the Kullback-Leibler divergence in nats, or the relative
    growth of the calibration's own loss.
    """

    trade: float  # the loss that a bit was worth
    lost: float
    how: str  # how the loss was found, for the user
    data_free_bytes: int | None  # None if no file without calibration is as good
    data_free_lost: float | None
    is_calibrated: bool  # False if the file without calibration was better, and was written
    not_calibrated: tuple[str, ...]  # weights without moments, stored exactly
    diagonal: tuple[str, ...] = ()  # weights with so many inputs that diagonals were used


def compress_calibrated(
    params: PyTree,
    path: str | os.PathLike,
    arrays: Arrays,
    calibration: Calibration | Moments,
    goals: Mapping[str, float | None],
    *,
    bias_quantizer: Quantizer | None,
    units_on: int | None,
    values: int | None,
    tune: int,
    progress: Callable[[int], None],
    on_trial: Callable[[float, float], None],
) -> tuple[Written, Outcome]:
    """Write the file; see `jaxcomp.compress`."""
    goal, value = _the_goal(goals, calibration)
    check_number("tune", tune, "a number of steps, at least 0", lambda n: n >= 0, integer=True)
    if tune and isinstance(calibration, Moments):
        raise ValueError("tune runs the network: give a Calibration, or leave it out")
    check_replaceable(path)  # fail here, not after hours of work
    rivals = rivals_of(values, _largest(arrays))
    bias_quantizer = bias_quantizer or bits_of(_BIAS_BITS)
    others = round_alone(arrays, None, bias_quantizer)
    trains: Tune | None = None
    if isinstance(calibration, Moments):
        source: Source = FromMoments(arrays, calibration, others, units_on, values=values)
        how = "predicted from the moments"
    else:
        source = InOrder(params, calibration, arrays, others, values=values)
        if tune:
            trains = partial(source.tuned, steps=tune)
        how = "on batches held back" if calibration.holds_back else "on the calibration batch"
    with tempfile.TemporaryDirectory() as folder:
        work = Candidates(source, arrays, rivals, bias_quantizer, trains, Path(folder), on_trial)
        trade, found = work.reach(goal, value)
        rival = work.best_rival(goal, value, found)
        better = rival is None or (
            found.lost <= rival.lost if goal == "size" else found.file_bytes <= rival.file_bytes
        )
        chosen = found if rival is None or better else rival
        if not math.isfinite(chosen.lost):
            raise ValueError(
                f"the loss of the rounded network is {chosen.lost}: look at its outputs"
            )
        with replacing(Path(path)) as temporary:
            shutil.copyfile(chosen.path, temporary)
    progress(arrays.checkpoint.nbytes)
    missing = tuple(e.name for e in arrays.weights if e.name not in source.rounded)
    outcome = Outcome(
        trade,
        chosen.lost,
        how,
        None if rival is None else rival.file_bytes,
        None if rival is None else rival.lost,
        better,
        missing,
        source.diagonal,
    )
    return chosen.written, outcome


def _largest(arrays: Arrays) -> float:
    """Return the largest magnitude of a weight; raise a ValueError if one is not finite."""
    largest = 0.0
    for entry in arrays.weights:
        w = arrays.checkpoint.load(entry)
        check_finite(entry, w)
        largest = max(largest, float(np.abs(w).max()))
    return largest


def _the_goal(
    goals: Mapping[str, float | None], calibration: Calibration | Moments
) -> tuple[str, float]:
    """Return the one goal that was given, and its value."""
    given = {name: value for name, value in goals.items() if value is not None}
    if len(given) != 1:
        raise ValueError(
            f"calibration is to one goal: give one of {', '.join(goals)}, got "
            f"{', '.join(given) or 'none'}"
        )
    ((goal, value),) = given.items()
    if not 0 < value < math.inf:
        raise ValueError(f"{goal} must be positive and finite, got {value}")
    judged = isinstance(calibration, Calibration) and calibration.loss is not None
    wanted = "max_loss" if judged else "max_kl"
    if goal in ("max_kl", "max_loss") and goal != wanted:
        raise ValueError(
            f"{goal} does not go with this calibration, which has {'a' if judged else 'no'} loss "
            f"of its own: give {wanted}"
        )
    return goal, value
