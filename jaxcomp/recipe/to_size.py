"""Makes networks of a number of bytes, measured on the file that would be written."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.recipe.biases import check_bias_bits
from jaxcomp.recipe.dense import FineTune
from jaxcomp.recipe.phase import About, Judge, PhaseOfSteps, Train, Trained, judge_of
from jaxcomp.recipe.projection import Projected, TooSmallError, largest_that_fits, project
from jaxcomp.recipe.quantize import Quantize
from jaxcomp.recipe.result import file_bytes
from jaxcomp.recipe.sparsify import Sparsify
from jaxcomp.recipe.store import Store
from jaxcomp.trees import mask_or_weights, select

PyTree = Any
_FLOAT32 = 4  # bytes of a number
_FIRST = 0.05  # density at which the search for a size starts
_STRENGTHS = (0.0, 1e-3, 1e-2)  # strengths of l1 / l2
_TRIAL, _TUNING = 0.1, 0.04  # shares of the steps of a phase, for each strength
_MORE = (1.3, 1.15)  # factors of the density that fits, for the trials and afterwards
_PRUNING = 2 / 3  # share of the steps in which weights are pruned
_TRIAL_OF_VALUES, _FINAL, _FINALISTS = 0.03, 0.1, 2  # shares of the steps; number of finalists
_ROUNDS = ((0.3, 1.0), (0.22, 1.0), (0.1, 0.25))  # shares of the steps, factors of the rate
_ALMOST = 0.995  # share of the weights: a file is seldom much too large in the end
_CLOSE, _NEAR = 0.97, 0.95  # shares of the allowed bytes: good enough, and worth a note


class Few(NamedTuple):
    """Says which values weights have, as `Quantize` does."""

    quantizer: str
    number: int

    @property
    def name(self) -> str:
        """Return the values as a part of the name of a phase."""
        return f"{self.number}-{self.quantizer}"


# Few values take few bits each, so that more weights stay; many are easier to train.
_TERNARY, _TWO, _FOUR = (Few("levels", number) for number in (1, 2, 4))
_VALUES = (_TERNARY, _TWO, _FOUR, Few("levels", 8), Few("bits", 5), Few("bits", 7))


class Size(NamedTuple):
    """Says how many bytes a file may have."""

    file_bytes: int | None
    times_smaller: float | None  # factor to all parameters as float32

    def check(self) -> None:
        """Raise an error unless one of the two is given, and possible."""
        if (self.file_bytes is None) == (self.times_smaller is None):
            raise ValueError(
                f"give one of bytes and times_smaller, got {self.file_bytes} and "
                f"{self.times_smaller}"
            )
        if self.file_bytes is not None:
            wanted = "a number of bytes, at least 1"
            check_number("bytes", self.file_bytes, wanted, lambda size: size >= 1, integer=True)
        else:
            wanted = "how many times smaller than float32, greater than 1"
            check_number("times_smaller", self.times_smaller, wanted, lambda times: times > 1)

    def of(self, params: PyTree) -> int:
        """Return the bytes for these parameters."""
        if self.file_bytes is not None:
            return self.file_bytes
        elements = sum(leaf.size for leaf in jax.tree.leaves(params))
        return math.floor(_FLOAT32 * elements / self.times_smaller)


@dataclass(frozen=True, kw_only=True)
class _ToSize(PhaseOfSteps):
    """Ends at a number of bytes.

    Attributes:
      size: the number of bytes.
      bias_bits: bits of each bias, from 2 to 8, or 0.
    """

    size: Size
    bias_bits: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        self.size.check()
        check_bias_bits("bias_bits", self.bias_bits)

    def check(self, start: Trained, about: About) -> None:
        """Raise a ValueError without validation batches, or if not even zeros fit the size.

        See `Phase.check`.
        """
        judge_of(about)
        most = self.size.of(start.params)
        least = file_bytes(jax.tree.map(jnp.zeros_like, start.params), start.model_state)
        if least > most:
            raise TooSmallError(
                f"no file of {most:,} bytes can hold this network: with zeros alone it has "
                f"{least:,}. Names, shapes and the model state take them: allow more bytes"
            )

    def projected(
        self,
        trained: Trained,
        about: About,
        few: Few | None,
        rank: PyTree = None,
        first: float = _FIRST,
    ) -> Projected:
        """Prune and round a network to the size.

        Args:
          trained: the network.
          about: what every phase receives.
          few: the values that weights get; None keeps their values.
          rank: see `project`; by default the parameters themselves.
          first: the density to begin with.
        """
        rank = trained.params if rank is None else rank
        quantize = None if few is None else Quantize(steps=0, **few._asdict())

        def make(density: float) -> Projected:
            return project(trained, about, density, quantize, self.bias_bits, rank)

        return largest_that_fits(make, self.size.of(trained.params), first)


@dataclass(frozen=True, kw_only=True)
class SparsifyToSize(_ToSize):
    """Trains with the compressibility loss, and prunes to the density that the size allows.

    The phase tries three strengths of the loss, each for a seventh of the steps. The strength whose
    network, pruned to the size and fine-tuned, has the lowest validation loss is used again, for
    the remaining steps.
    """

    name: str = "sparsify"

    def run(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the network with somewhat more weights than the size allows."""
        judge = judge_of(about)
        first = self.projected(before, about, _TERNARY).density
        steps = round(_TRIAL * self.steps)

        def sparsify(name: str, steps: int, density: float, strength: float) -> Sparsify:
            return Sparsify(
                name=name,
                steps=steps,
                learning_rate=self.learning_rate,
                density=min(1.0, density),
                strength=strength,
                prune_steps=round(_PRUNING * steps),
            )

        def tried(number: int, strength: float) -> tuple[float, float, Trained]:
            phase = sparsify(f"{self.name}-{number}", steps, _MORE[0] * first, strength)
            found = phase.run(before, about, train)
            pruned = self.projected(found, about, _TWO, first=first).pruned
            tune = FineTune(
                name=f"{phase.name}-tuned",
                steps=round(_TUNING * self.steps),
                learning_rate=self.learning_rate,
            )
            tuned = tune.run(pruned, about, train)
            return _lost(judge, tuned), strength, found

        trials = [tried(number, strength) for number, strength in enumerate(_STRENGTHS, 1)]
        _, strength, best = min(trials, key=lambda trial: trial[0])
        density = _MORE[1] * self.projected(best, about, _FOUR, first=first).density
        rest = self.steps - len(_STRENGTHS) * (steps + round(_TUNING * self.steps))
        return sparsify(self.name, rest, density, strength).run(before, about, train)


@dataclass(frozen=True, kw_only=True)
class QuantizeToSize(_ToSize):
    """Trains few-valued weights, as many as the size allows.

    The phase tries several kinds of values: the more values there are, the fewer weights stay. It
    trains the two kinds of lowest validation loss further, and the better one in rounds. If the
    file became smaller in a round, weights return for the next; if it is too large in the end, some
    are removed. The phase returns the network of the round with the lowest validation loss.
    """

    name: str = "quantize"
    few_valued: ClassVar[bool] = True

    def run(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the network, whose file has the size."""
        judge = judge_of(about)

        def trained(now: Trained, few: Few, name: str, share: float, rate: float) -> Trained:
            phase = Quantize(
                name=name,
                steps=round(share * self.steps),
                learning_rate=rate * self.learning_rate,
                bias_bits=self.bias_bits,
                **few._asdict(),
            )
            return phase.run(now, about, train)

        def tried(now: Trained, few: Few, name: str, share: float) -> tuple[float, Trained]:
            done = trained(now, few, f"{self.name}-{few.name}{name}", share, 1.0)
            return _lost(judge, done), done

        def lost(few: Few) -> float:
            return trials[few][0]

        first = self.projected(before, about, _TERNARY).density
        trials = {}
        for few in _VALUES:
            fits = self.projected(before, about, few, first=first)
            trials[few] = tried(fits.pruned, few, "", _TRIAL_OF_VALUES)
        for few in sorted(trials, key=lost)[:_FINALISTS]:
            trials[few] = tried(trials[few][1], few, "-on", _FINAL)
        few = min(trials, key=lost)
        most, now = self.size.of(before.params), trials[few][1]
        size = self._bytes(now, about)
        fitting = [self._cut(now, size, before, about)]
        for number, (share, rate) in enumerate(_ROUNDS, 1):
            name = self.name if number == len(_ROUNDS) else f"{self.name}-round-{number}"
            if not _CLOSE * most <= size <= most:
                now = self._refilled(now, before, about, few)
            now = trained(now, few, name, share, rate)
            size = self._bytes(now, about)
            fitting.append(self._cut(now, size, before, about))
        near = [one for one in fitting if one[1] >= _NEAR * most] or fitting
        now, size = min(near, key=lambda one: _lost(judge, one[0]))
        if size < _NEAR * most:
            about.tell(
                f"The file could have {most:,} bytes and has {size:,}: it holds all weights that "
                "training has left, but those of units that cannot matter."
            )
        return now

    def _cut(self, now: Trained, size: int, before: Trained, about: About) -> tuple[Trained, int]:
        """Return a few-valued network with as many weights as fit, and its bytes."""
        if size <= self.size.of(before.params):
            return now, size
        weights = select(now.params, mask_or_weights(None, about.network))
        left = sum(int(jnp.count_nonzero(w)) for w in weights)
        first = _ALMOST * left / sum(w.size for w in weights)
        # Many weights have one magnitude now: among them, those that were smaller before go first.
        rank = jax.tree.map(jnp.multiply, now.params, before.params)
        fits = self.projected(now, about, None, rank, first)
        return fits.rounded, fits.file_bytes

    def _refilled(self, now: Trained, before: Trained, about: About, few: Few) -> Trained:
        """Return a network of the size, with earlier weights where there is room."""
        merged = jax.tree.map(
            lambda new, old: jnp.where(new == 0, old, new), now.params, before.params
        )
        return self.projected(now._replace(params=merged), about, few, before.params).pruned

    def _bytes(self, now: Trained, about: About) -> int:
        stored = Store(bias_bits=self.bias_bits).stored(now, about)
        return file_bytes(stored.params, stored.model_state)


def _lost(judge: Judge, trained: Trained) -> float:
    """Return the loss on the validation batches, or infinity if it is not finite."""
    loss = judge(trained.params, trained.model_state)
    return loss if math.isfinite(loss) else math.inf
