"""Compression by what the weights do, to a goal, checked on examples that were held back."""

import math
import operator
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxcomp.arguments import check_number
from jaxcomp.codec.levels import Quantised
from jaxcomp.compression.arrays import Arrays, Stored, Written, as_stored
from jaxcomp.compression.calibration import Calibration
from jaxcomp.compression.data_free import Quantizer, bits_of, check_finite, round_alone
from jaxcomp.compression.from_moments import FromMoments
from jaxcomp.compression.in_order import InOrder
from jaxcomp.compression.moments_file import Moments
from jaxcomp.compression.rounding import TERNARY
from jaxcomp.compression.search import last_that_is_good
from jaxcomp.files import check_replaceable, replacing
from jaxcomp.quantize.codebook import MAX_LEVELS, fit_codebook
from jaxcomp.quantize.scalar import codebook_levels, ternary_levels

PyTree = Any

_BIAS_BITS = 8
_RIVAL_BITS = (8, 7, 6, 5, 4, 3, 2)
_RIVAL_TRADES = (0.0, 0.1)
_SIZE_TRIES, _CLOSE = 4, 0.97


class Outcome(NamedTuple):
    """Report what calibration came to.

    Losses are in the mean of predictions: the Kullback-Leibler divergence in nats, or with a loss
    of one's own its growth, as a share of what it was.
    """

    trade: float  # the loss that a bit was worth
    lost: float
    how: str  # how the loss is known, for a person
    data_free_bytes: int | None  # of the best file without calibration; None if none was as good
    data_free_lost: float | None
    is_calibrated: bool  # False if the file without calibration was the better one, and written
    not_calibrated: tuple[str, ...]  # weights of which no moments are known, stored exactly
    diagonal: tuple[str, ...] = ()  # weights with so many inputs that they are taken one by one


class _Candidate(NamedTuple):
    """Arrays as they would be stored."""

    stored: Stored
    lost: float
    written: Written | None = None  # None until its size is asked for
    path: Path | None = None  # where

    @property
    def file_bytes(self) -> int:
        """Return the size of its file, which has been written."""
        return self.written.file_bytes


class _Source(Protocol):
    """Rounds arrays at a price of a bit, and knows what that loses."""

    rounded: frozenset[str]  # names of the weights that it rounds
    diagonal: tuple[str, ...]  # those of which it has diagonal moments

    def at(self, trade: float) -> tuple[Stored, float]: ...

    def lost(self, stored: Stored) -> float: ...

    def tuned(self, stored: Stored, steps: int) -> tuple[Stored, float]: ...  # of a network


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
) -> tuple[Written, Outcome]:
    """Write the file; see `jaxcomp.compress`."""
    goal, value = _the_goal(goals, calibration)
    rivals = _rivals(values)
    check_number("tune", tune, "a number of steps, at least 0", lambda n: n >= 0, whole=True)
    if tune and isinstance(calibration, Moments):
        raise ValueError("tune runs the network: give a Calibration, or leave it out")
    check_replaceable(path)  # before hours of work
    for entry in arrays.weights:
        check_finite(entry, arrays.checkpoint.load(entry))
    bias_quantizer = bias_quantizer or bits_of(_BIAS_BITS)
    others = round_alone(arrays, None, bias_quantizer)
    if isinstance(calibration, Moments):
        source: _Source = FromMoments(arrays, calibration, others, units_on, values=values)
        how = "predicted from the moments"
    else:
        source = InOrder(params, calibration, arrays, others, values=values)
        how = "on batches held back" if calibration.holds_back else "on the calibration batch"
    with tempfile.TemporaryDirectory() as folder:
        work = _Work(source, arrays, rivals, bias_quantizer, tune, Path(folder))
        trade, found = work.reach(goal, value)
        rival = work.best_rival(goal, value, found)
        better = rival is None or (
            found.lost <= rival.lost if goal == "size" else found.file_bytes <= rival.file_bytes
        )
        chosen = found if better else rival
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


class _Work:
    """Candidates for one network."""

    def __init__(
        self,
        source: _Source,
        arrays: Arrays,
        rivals: Sequence[Quantizer],
        bias_quantizer: Quantizer,
        tune: int,
        folder: Path,
    ) -> None:
        self._source, self._arrays, self._folder = source, arrays, folder
        self._rivals, self._bias_quantizer = rivals, bias_quantizer
        self._tune = tune
        self._files = 0

    def reach(self, goal: str, value: float) -> tuple[float, _Candidate]:
        """Return the price of a bit with which the goal is reached, and what it leads to."""
        if goal == "trade":
            return value, self._with_size(self._tuned(self._at(value)))
        elements = sum(entry.elements for entry in self._arrays.weights)
        # At small steps weights lose half a nat of bits each, in units of the price.
        first = 2 * math.log(2) / max(1, elements) * (value if goal != "size" else 0.01)
        if goal == "size":
            return self._of_size(value, first)

        def is_good(found: _Candidate) -> bool:
            return found.lost <= value

        largest = last_that_is_good(self._at, is_good, first)
        if self._tune:  # is dear, so it begins near to its end
            near = first if largest is None else largest[0]
            largest = last_that_is_good(lambda trade: self._tuned(self._at(trade)), is_good, near)
        if largest is None:
            raise ValueError(
                f"no loss as small as {value:g} was found: ask for a larger one, or give "
                "`bias_quantizer` more bits"
            )
        return largest[0], self._with_size(largest[1])

    def _of_size(self, value: float, first: float) -> tuple[float, _Candidate]:
        """Return a file of nearly this size; what a file takes is predicted from entropies."""
        entropies: dict[float, float] = {}

        def entropy(inverse: float) -> float:  # files shrink as the price of a bit grows
            if inverse not in entropies:
                entropies[inverse] = _entropy_bytes(self._at(1 / inverse).stored)
            return entropies[inverse]

        share, best = 1.0, None
        for _ in range(_SIZE_TRIES):
            fits = partial(operator.ge, value / share)
            found = last_that_is_good(entropy, fits, 1 / first)
            if found is None:
                break
            trade = 1 / found[0]
            trial = self._with_size(self._at(trade))
            if self._tune and trial.file_bytes <= value:
                tuned = self._with_size(self._tuned(trial))
                trial = tuned if tuned.file_bytes <= value else trial
            if trial.file_bytes <= value and (best is None or trial.lost < best[1].lost):
                best = trade, trial
            if _CLOSE * value <= trial.file_bytes <= value:
                break
            share = trial.file_bytes / found[1]
        if best is None:
            raise ValueError(f"no file of {value:,.0f} bytes was found: ask for a larger one")
        return best

    def best_rival(self, goal: str, value: float, found: _Candidate) -> _Candidate | None:
        """Return the best file without calibration that reaches what was reached; None if none.

        Of those that lose little enough, the one of the lowest entropy is written.
        """
        if goal == "size":
            fitting = [self._of_bits(trade, value) for trade in _RIVAL_TRADES]
            return min(filter(None, fitting), key=lambda one: one.lost, default=None)
        most = found.lost if goal == "trade" else value
        good = [one for trade in _RIVAL_TRADES if (one := self._of_loss(trade, most)) is not None]
        if not good:
            return None
        return self._with_size(min(good, key=lambda one: _entropy_bytes(one.stored)))

    def _of_bits(self, trade: float, most: float) -> _Candidate | None:
        """Return the file of the most levels that is small enough."""
        for quantizer in self._rivals:
            new = self._with_size(self._alone(quantizer, trade))
            if new.file_bytes <= most:
                return new
        return None

    def _of_loss(self, trade: float, most: float) -> _Candidate | None:
        """Return the arrays of the fewest levels up to which all lose little enough."""
        last = None
        for quantizer in self._rivals:
            new = self._alone(quantizer, trade)
            if not new.lost <= most:  # also where it is not a number
                break
            last = new
        return last

    def _at(self, trade: float) -> _Candidate:
        return _Candidate(*self._source.at(trade))

    def _tuned(self, found: _Candidate) -> _Candidate:
        """Return it with trained codebooks and biases, if that was asked for and is better."""
        if not self._tune:
            return found
        new = _Candidate(*self._source.tuned(found.stored, self._tune))
        return new if new.lost < found.lost else found

    def _alone(self, quantizer: Quantizer, trade: float) -> _Candidate:
        """Return the same weights rounded, each by itself."""
        rounds = round_alone(self._arrays, quantizer, self._bias_quantizer, trade=trade)
        stored = {}
        known = [entry for entry in self._arrays.weights if entry.name in self._source.rounded]
        for entry in (*known, *self._arrays.biases):
            stored[entry.name] = rounds(entry, self._arrays.checkpoint.load(entry))
        return _Candidate(stored, self._source.lost(stored))

    def _with_size(self, found: _Candidate) -> _Candidate:
        self._files += 1
        path = self._folder / f"{self._files}.jxc"
        written = self._arrays.write(path, as_stored(found.stored), lambda _: None)
        return found._replace(written=written, path=path)


def _rivals(values: int | None) -> list[Quantizer]:
    """Return how weights are rounded by themselves, to ever fewer levels."""
    if values is None:
        return [bits_of(bits) for bits in _RIVAL_BITS]
    wanted = f"from {TERNARY} to {MAX_LEVELS}"
    check_number("values", values, wanted, lambda k: TERNARY <= k <= MAX_LEVELS, whole=True)
    if values == TERNARY:
        return [ternary_levels]
    fit_codebook(np.zeros(1), values)  # tells before the work if its library is missing
    return [partial(codebook_levels, levels=values)]


def _entropy_bytes(stored: Stored) -> float:
    return sum(
        one.bits() / 8 if isinstance(one, Quantised) else one.nbytes for one in stored.values()
    )


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
