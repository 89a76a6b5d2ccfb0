"""Makes recipes from one number."""

from jaxcomp.arguments import check_number
from jaxcomp.recipe.dense import Dense
from jaxcomp.recipe.recipe import Recipe
from jaxcomp.recipe.store import Store
from jaxcomp.recipe.to_quality import ShrinkToQuality
from jaxcomp.recipe.to_size import QuantizeToSize, Size, SparsifyToSize

_DENSE, _SPARSE = 0.25, 0.4  # shares of the steps; few-valued weights have the rest
_BIAS_BITS = 6


def for_size(
    *,
    bytes: int | None = None,
    times_smaller: float | None = None,
    steps: int = 20_000,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Return a recipe that ends at a file of nearly this size, and not above it.

    The recipe finds the density, the values of the weights (one to eight magnitudes in each array,
    or multiples of a step) and the strength of the compressibility loss. It chooses by the bytes of
    the file that would be written, and by the loss on `validation`, which `Recipe.run` must be
    given.

    Args:
      bytes: the most bytes that the file may have.
      times_smaller: or how many times smaller than all parameters as float32 the file must be.
      steps: number of training steps, of all phases together.
      learning_rate: first learning rate of each phase.

    Raises:
      ValueError: unless one of `bytes` and `times_smaller` is given. `Recipe.run` raises it too, if
        the size cannot be reached; the message says what takes the bytes.

    Example:
      >>> recipe = for_size(times_smaller=100, steps=20_000)
      >>> [phase.name for phase in recipe.phases]
      ['dense', 'sparsify', 'quantize', 'store']
    """
    size = Size(bytes, times_smaller)
    size.check()
    _check_steps(steps)
    dense, sparse = round(_DENSE * steps), round(_SPARSE * steps)
    return Recipe(
        Dense(steps=dense, learning_rate=learning_rate),
        SparsifyToSize(steps=sparse, size=size, learning_rate=learning_rate, bias_bits=_BIAS_BITS),
        QuantizeToSize(
            steps=steps - dense - sparse,
            size=size,
            learning_rate=learning_rate,
            bias_bits=_BIAS_BITS,
        ),
        Store(bias_bits=_BIAS_BITS),
    )


def for_quality(*, loss_at_most: float, steps: int = 40_000, learning_rate: float = 1e-3) -> Recipe:
    """Return a recipe that ends at the smallest file whose validation loss stays below a bound.

    The recipe tries six sizes, each with an equal part of the steps, and finds everything else as
    `for_size` does. `Recipe.run` must be given `validation`. Since these batches choose the
    network, measure published numbers on other data.

    Args:
      loss_at_most: the largest mean loss on the validation batches that is allowed.
      steps: number of training steps, of all phases together.
      learning_rate: first learning rate of each phase.

    Raises:
      ValueError: if a number is out of range. `Recipe.run` raises it too, if the loss cannot be
        reached; the message says how near the networks came.

    Example:
      >>> [phase.name for phase in for_quality(loss_at_most=0.1).phases]
      ['dense', 'shrink', 'store']
    """
    _check_steps(steps)
    dense = round(_DENSE * steps)
    return Recipe(
        Dense(steps=dense, learning_rate=learning_rate),
        ShrinkToQuality(
            loss_at_most=loss_at_most,
            steps=steps - dense,
            learning_rate=learning_rate,
            bias_bits=_BIAS_BITS,
        ),
        Store(bias_bits=_BIAS_BITS),
    )


def _check_steps(steps: int) -> None:
    wanted = "a number of steps, at least 1"
    check_number("steps", steps, wanted, lambda n: n >= 1, integer=True)
