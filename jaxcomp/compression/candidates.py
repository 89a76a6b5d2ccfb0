"""Makes files that could be written: rounded at some price of a bit, or by their weights alone."""

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from jaxcomp.compression.arrays import Arrays, Stored, Written, as_stored, entropy_bytes
from jaxcomp.compression.data_free import Quantizer, bits_of, round_alone
from jaxcomp.compression.rounding import TERNARY
from jaxcomp.compression.search import last_that_is_good
from jaxcomp.quantize.codebook import check_values, fit_codebook
from jaxcomp.quantize.scalar import codebook_levels, step_levels, ternary_levels

_RIVAL_BITS = (8, 7, 6, 5, 4, 3, 2)
_RIVAL_STEPS = tuple(2 ** (-half / 2) for half in range(14, 1, -1))  # shares of the largest weight
_RIVAL_TRADES = (0.0, 0.1)
_SIZE_TRIES, _CLOSE = 4, 0.97
_HOPELESS = 1.5  # factor to the allowed bytes


class Candidate(NamedTuple):
    """Holds arrays in the form in which they would be stored."""

    stored: Stored
    lost: float


class Trial(NamedTuple):
    """Holds arrays that have been stored in a file."""

    stored: Stored
    lost: float
    written: Written
    path: Path  # path of the file

    @property
    def file_bytes(self) -> int:
        """Return the size of its file."""
        return self.written.file_bytes


Found = TypeVar("Found", Candidate, Trial)


class Source(Protocol):
    """Rounds arrays at a price of a bit, and knows the loss."""

    rounded: frozenset[str]  # names of the weights that it rounds
    diagonal: tuple[str, ...]  # weights of which it has diagonal moments

    def at(self, trade: float) -> tuple[Stored, float]:
        """Return the stored form of arrays at this price of a bit, and the loss."""

    def lost(self, stored: Stored) -> float:
        """Return the loss with other arrays, by name."""


# From what is stored to what training makes of it, and the loss.
Tune = Callable[[Stored], tuple[Stored, float]]


class Candidates:
    """Makes the candidates of one network, each as a file in a folder."""

    def __init__(
        self,
        source: Source,
        arrays: Arrays,
        rivals: Sequence[Sequence[Quantizer]],
        bias_quantizer: Quantizer,
        tune: Tune | None,
        folder: Path,
        on_trial: Callable[[float, float], None],
    ) -> None:
        """Set the network and its quantizers.

        Args:
          source: rounds its weights at a price.
          arrays: all arrays that a file holds.
          rivals: rows of quantizers for each weight array alone; each row has ever fewer levels.
          bias_quantizer: rounds the biases of rivals.
          tune: trains what is rounded; None to leave it.
          folder: folder for the files.
          on_trial: called with each price that was tried, and the loss.
        """
        self._source, self._arrays, self._folder = source, arrays, folder
        self._rivals, self._bias_quantizer = rivals, bias_quantizer
        self._tune, self._on_trial = tune, on_trial
        self._files = 0

    def reach(self, goal: str, value: float) -> tuple[float, Trial]:
        """Return the price of a bit at which the goal is reached, and its candidate."""
        if goal == "trade":
            return value, self._with_size(self._tuned(self._at(value)))
        elements = sum(entry.elements for entry in self._arrays.weights)
        # At small steps weights lose half a nat of bits each, in units of the price.
        first = 2 * math.log(2) / max(1, elements) * (value if goal != "size" else 0.01)
        if goal == "size":
            return self._of_size(value, first)

        def is_good(found: Candidate) -> bool:
            return found.lost <= value

        largest = last_that_is_good(self._at, is_good, first)
        if self._tune is not None:  # tuning is slow, so start near the end
            near = first if largest is None else largest[0]
            largest = last_that_is_good(lambda trade: self._tuned(self._at(trade)), is_good, near)
        if largest is None:
            raise ValueError(
                f"no loss as small as {value:g} was found: ask for a larger one, or allow more "
                "`values`, or `bias_quantizer` more bits"
            )
        return largest[0], self._with_size(largest[1])

    def _of_size(self, value: float, first: float) -> tuple[float, Trial]:
        """Return a file of nearly this size; entropies predict the size of files."""
        entropies: dict[float, float] = {}

        def entropy(inverse: float) -> float:  # files shrink as the price of a bit grows
            if inverse not in entropies:
                entropies[inverse] = entropy_bytes(self._at(1 / inverse).stored)
            return entropies[inverse]

        share, best = 1.0, None
        for _ in range(_SIZE_TRIES):
            fits = partial(operator.ge, value / share)
            found = last_that_is_good(entropy, fits, 1 / first)
            if found is None:
                break
            trade = 1 / found[0]
            trial = self._with_size(self._at(trade))
            if self._tune is not None and trial.file_bytes <= value:
                tuned = self._with_size(self._tuned(Candidate(trial.stored, trial.lost)))
                trial = tuned if tuned.file_bytes <= value else trial
            if trial.file_bytes <= value and (best is None or trial.lost < best[1].lost):
                best = trade, trial
            if _CLOSE * value <= trial.file_bytes <= value:
                break
            share = trial.file_bytes / found[1]
        if best is None:
            raise ValueError(f"no file of {value:,.0f} bytes was found: ask for a larger one")
        return best

    def best_rival(self, goal: str, value: float, found: Trial) -> Trial | None:
        """Return the best file without calibration that reaches the same goal, or None.

        Among the arrays that lose little enough, those of the lowest entropy are written.
        """
        if goal == "size":
            return min(
                self._alone_by(self._of_size_alone, value), key=lambda one: one.lost, default=None
            )
        good = self._alone_by(self._of_loss, found.lost if goal == "trade" else value)
        if not good:
            return None
        return self._with_size(min(good, key=lambda one: entropy_bytes(one.stored)))

    def _alone_by(self, best: Callable[..., Found | None], most: float) -> list[Found]:
        """Return the best of each row of quantizers at each price, if there is one."""
        each = itertools.product(self._rivals, _RIVAL_TRADES)
        found = (best(quantizers, trade, most) for quantizers, trade in each)
        return [one for one in found if one is not None]

    def _of_size_alone(
        self, quantizers: Sequence[Quantizer], trade: float, most: float
    ) -> Trial | None:
        """Return the file with the most levels that is small enough."""
        for quantizer in quantizers:
            new = self._alone(quantizer, trade)
            if entropy_bytes(new.stored) > _HOPELESS * most:  # writing takes time
                continue
            new = self._with_size(new)
            if new.file_bytes <= most:
                return new
        return None

    def _of_loss(
        self, quantizers: Sequence[Quantizer], trade: float, most: float
    ) -> Candidate | None:
        """Return the arrays with the fewest levels up to which all lose little enough."""
        last = None
        for quantizer in quantizers:
            new = self._alone(quantizer, trade)
            if not new.lost <= most:  # also if the loss is NaN
                break
            last = new
        return last

    def _at(self, trade: float) -> Candidate:
        found = Candidate(*self._source.at(trade))
        self._on_trial(trade, found.lost)
        return found

    def _tuned(self, found: Candidate) -> Candidate:
        """Return it with trained codebooks and biases, if that was asked for and is better."""
        if self._tune is None:
            return found
        new = Candidate(*self._tune(found.stored))
        return new if new.lost < found.lost else found

    def _alone(self, quantizer: Quantizer, trade: float) -> Candidate:
        """Return the same weights, each rounded alone."""
        rounds = round_alone(self._arrays, quantizer, self._bias_quantizer, trade=trade)
        stored = {}
        known = [entry for entry in self._arrays.weights if entry.name in self._source.rounded]
        for entry in (*known, *self._arrays.biases):
            stored[entry.name] = rounds(entry, self._arrays.checkpoint.load(entry))
        return Candidate(stored, self._source.lost(stored))

    def _with_size(self, found: Candidate) -> Trial:
        self._files += 1
        path = self._folder / f"{self._files}.jxc"
        written = self._arrays.write(path, as_stored(found.stored), lambda _: None)
        return Trial(found.stored, found.lost, written, path)


def rivals_of(values: int | None, largest: float) -> list[list[Quantizer]]:
    """Return quantizers of weights alone, in rows of ever fewer levels.

    Args:
      values: number of values that an array may have; None for multiples of steps: of one for each
        array, and of one for all.
      largest: largest magnitude of a weight.
    """
    if values is None:
        bits = [bits_of(bits) for bits in _RIVAL_BITS]
        if not largest:
            return [bits]
        return [bits, [partial(step_levels, step=largest * share) for share in _RIVAL_STEPS]]
    check_values("values", values, least=TERNARY)
    if values == TERNARY:
        return [[ternary_levels]]
    fit_codebook(np.zeros(1), values)  # if its library is missing, this says so before the work
    return [[partial(codebook_levels, levels=values)]]
