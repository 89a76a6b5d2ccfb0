"""Makes a network as small as a loss allows, in one phase."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxcomp.arguments import check_number
from jaxcomp.recipe.biases import check_bias_bits
from jaxcomp.recipe.phase import About, PhaseOfSteps, Train, Trained, judge_of
from jaxcomp.recipe.projection import TooSmallError
from jaxcomp.recipe.result import file_bytes
from jaxcomp.recipe.to_size import QuantizeToSize, Size, SparsifyToSize

_STAGES = 6  # sizes that are tried, each with an equal part of the steps
_FIRST = 20.0  # the first size, as a factor to float32
_FACTOR = 2.5  # factor between sizes, until one loses too much or little enough
_SPARSE = 0.5  # share of the steps of a stage


@dataclass(frozen=True, kw_only=True)
class ShrinkToQuality(PhaseOfSteps):
    """Trains ever smaller networks, up to the smallest whose validation loss stays below a bound.

    Attributes:
      loss_at_most: the bound, for the mean loss on the validation batches.
      steps: number of training steps, in six equal parts of one size each.
      bias_bits: bits of each bias, from 2 to 8, or 0.
    """

    loss_at_most: float
    bias_bits: int = 6
    name: str = "shrink"
    few_valued: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("loss_at_most", self.loss_at_most, "a loss", math.isfinite)
        check_bias_bits("bias_bits", self.bias_bits)

    def check(self, start: Trained, about: About) -> None:
        """Raise a ValueError if there are no validation batches; see `Phase.check`."""
        del start
        judge_of(about)

    def run(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the smallest network that was good enough.

        Raises:
          ValueError: if none was; the message says how near they came.
        """
        judge = judge_of(about)
        best, floats = None, before
        good, bad = math.inf, 0.0  # bytes of the smallest good file, and of the largest bad one
        size = Size(None, _FIRST).of(before.params)
        nearest = math.inf
        for stage in range(1, _STAGES + 1):
            sparse, few = self._of_size(size, stage, floats, about, train)
            if few is None:  # no file can be as small
                bad = size
            else:
                lost = judge(few.params, few.model_state)
                if lost <= self.loss_at_most:
                    best, floats = few, sparse
                    good = file_bytes(few.params, few.model_state)
                else:
                    bad, nearest = size, min(nearest, lost)
            if math.isinf(good):
                size = round(size * _FACTOR)
            elif not bad:
                size = round(good / _FACTOR)
            else:
                size = round(math.sqrt(good * bad))
        if best is None:
            dense = judge(before.params, before.model_state)
            raise ValueError(
                f"no validation loss of {self.loss_at_most:g} was reached: the network that came "
                f"in has {dense:.4g}, the best small one {nearest:.4g}. Allow more loss or steps"
            )
        return best

    def _of_size(
        self, size: int, stage: int, floats: Trained, about: About, train: Train
    ) -> tuple[Trained, Trained | None]:
        """Return a network before and after it is few-valued, or None if no file is so small."""
        steps = self.steps // _STAGES
        sparse_steps = round(_SPARSE * steps)
        sparsify = SparsifyToSize(
            name=f"{self.name}-{stage}a",
            steps=sparse_steps,
            size=Size(size, None),
            learning_rate=self.learning_rate,
            bias_bits=self.bias_bits,
        )
        quantize = QuantizeToSize(
            name=f"{self.name}-{stage}b",
            steps=steps - sparse_steps,
            size=Size(size, None),
            learning_rate=self.learning_rate,
            bias_bits=self.bias_bits,
        )
        try:
            sparse = sparsify.run(floats, about, train)
            return sparse, quantize.run(sparse, about, train)
        except TooSmallError:
            return floats, None
