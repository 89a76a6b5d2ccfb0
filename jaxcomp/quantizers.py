"""The ways to give weights few values, by name: at once, for a file, and while they are trained."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

PyTree = Any


class AtOnce(NamedTuple):
    """Rounds an array of numpy for a file, without training."""

    function: Callable[..., Any]  # of an array and the quantizer's number, to `FewValued`
    per_unit: bool = False  # whether it takes the `axis` of slices that have levels each


class Trained(NamedTuple):
    """Puts nodes that can be trained in place of weights."""

    # Of a tree and the quantizer's number, with `mask`, `network`, `level` and `per`, to a tree.
    function: Callable[..., PyTree]
    per_unit: bool = False  # whether `per` can be "unit"


class Quantizer(NamedTuple):
    """Describes one way to give weights few values."""

    to: str  # what weights are rounded to
    number: type | None = None  # of the number that it takes: int or float; None if it takes none
    # Of what that number is called, and of it.
    check: Callable[[str, Any], None] = lambda name, number: None
    at_once: AtOnce | None = None
    trained: Trained | None = None

    def rounding(self, number: float | None) -> Callable[..., Any]:
        """Return the function of an array that rounds it at once, as `jaxcomp.compress` takes it.

        Args:
          number: of the quantizer; None if it takes none.
        """
        numbers = () if self.number is None else (number,)
        at_once = self.at_once
        assert at_once is not None
        return lambda w, **axis: at_once.function(w, *numbers, **axis)


def _late(module: str, name: str) -> Callable[..., Any]:
    """Return a function that is imported when it is called: commands list these without JAX."""

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
