"""Lists the ways to give weights few values: at once, for a file, and while they are trained.

Example:
  >>> import numpy as np
  >>> QUANTIZERS["bits"].rounding(3)(np.array([0.1, -0.5, 0.9])).values().round(2).tolist()
  [0.0, -0.6, 0.9]
"""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

PyTree = Any


class AtOnce(NamedTuple):
    """Rounds a NumPy array for a file, without training."""

    function: Callable[..., Any]  # from an array and the quantizer's number to `FewValued`
    per_unit: bool = False  # whether it takes the `axis` of slices with their own levels


class Trained(NamedTuple):
    """Replaces weights by nodes that can be trained."""

    # From a tree and the quantizer's number, with `mask`, `network`, `level` and `per`, to a tree.
    function: Callable[..., PyTree]
    per_unit: bool = False  # whether `per` can be "unit"


class Quantizer(NamedTuple):
    """Describes one way to give weights few values."""

    to: str  # the values that weights are rounded to, in words
    number: type | None = None  # the type of its number, int or float; None if it takes none
    # Checks the number, given its name and its value.
    check: Callable[[str, Any], None] = lambda name, number: None
    at_once: AtOnce | None = None
    trained: Trained | None = None

    def rounding(self, number: float | None) -> Callable[..., Any]:
        """Return the function that rounds an array at once, as `jaxcomp.compress` takes it.

        Args:
          number: the quantizer's number; None if it takes none.
        """
        numbers = () if self.number is None else (number,)
        at_once = self.at_once
        assert at_once is not None
        return lambda w, **axis: at_once.function(w, *numbers, **axis)


def _late(module: str, name: str) -> Callable[..., Any]:
    """Return a function that is imported at its first call: commands list these without JAX."""

    def call(*args: Any, **options: Any) -> Any:
        function = getattr(importlib.import_module(f"jaxcomp.quantize.{module}"), name)
        return function(*args, **options)

    return call


QUANTIZERS: dict[str, Quantizer] = {
    "ternary": Quantizer(
        "the nearest -c, 0 and c",
        at_once=AtOnce(_late("scalar", "ternary_levels"), per_unit=True),
    ),
    "codebook": Quantizer(
        "the best codebook of this size",
        int,
        _late("codebook", "check_values"),
        AtOnce(_late("scalar", "codebook_levels")),
    ),
    "bits": Quantizer(
        "the steps of this many bits",
        int,
        _late("uniform", "check_bits"),
        AtOnce(_late("scalar", "bits_levels"), per_unit=True),
        Trained(_late("straight_through", "trained_bits")),
    ),
    "step": Quantizer(
        "multiples of this step",
        float,
        _late("uniform", "check_step"),
        AtOnce(_late("scalar", "step_levels")),
    ),
    "levels": Quantizer(
        "zero and this many magnitudes",
        int,
        _late("levels", "check_magnitudes"),
        trained=Trained(_late("levels", "trained_levels"), per_unit=True),
    ),
}
AT_ONCE = {name: one.at_once for name, one in QUANTIZERS.items() if one.at_once is not None}
TRAINED = {name: one.trained for name, one in QUANTIZERS.items() if one.trained is not None}
