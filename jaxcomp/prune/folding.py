"""Where a constant goes: the bias that can take it, behind operations that pass it on.

If an array becomes smaller by a constant, what follows stays the same if a later bias becomes
larger by what sums, products with known factors, dense layers, pooling and the like make of it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxcomp.tracing import fields
from jaxcomp.tracing.constants import (
    Known,
    contract,
    convolution_fields,
    is_padded,
    product_letters,
)
from jaxcomp.tracing.layout import LAYOUT, Sources, Stays, one_of_each
from jaxcomp.tracing.program import Operation, Program

_POOLED = frozenset(["reduce_window_max", "reduce_window_min", "reduce_max", "reduce_min"])


class Change(NamedTuple):
    """What a bias has to be given."""

    leaf: int  # the parameter, by its position in tree order
    amount: np.ndarray  # float64, of its shape


class Folding:
    """The ways through a program on which constants can be passed on."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.sources = Sources(program)

    def change_for(
        self, array: int, amount: np.ndarray, known: Mapping[int, Known], passed: set[int]
    ) -> list[Change]:
        """Return what biases have to be given so that nothing changes behind them.

        Args:
          array: it becomes smaller.
          amount: by how much: a field of it, float64.
          known: what is known of the arrays (`jaxcomp.tracing.constants_of`).
          passed: gets the arrays whose values change on the way.

        Raises:
          Stays: if an operation on the way does not pass it on.
        """
        if not amount.any():
            return []
        passed.add(array)
        if array in self.program.outputs:
            raise Stays("the network's output follows, without a bias to take it")
        changes = []
        for operation in self.sources.consumers.get(array, ()):
            places = [i for i, one in enumerate(operation.inputs) if one == array]
            if len(places) > 1:
                raise Stays(f"`{operation.name}` takes it twice")
            changes += self._behind(operation, places[0], amount, known, passed)
        return changes

    def _behind(
        self,
        operation: Operation,
        place: int,
        amount: np.ndarray,
        known: Mapping[int, Known],
        passed: set[int],
    ) -> list[Change]:
        name, out = operation.name, operation.outputs[0]
        if name in ("add", "add_any", "sub"):
            other = operation.inputs[1 - place]
            # The signs of both in the result.
            own = -1.0 if name == "sub" and place == 1 else 1.0
            others = -1.0 if name == "sub" and place == 0 else 1.0
            if other in self.sources.without_data:
                try:
                    source = self.sources.of(other)
                    narrowed = one_of_each(amount, self.program.shapes[other].shape)
                    return [Change(source.leaf, source.to_leaf(own * others * narrowed))]
                except Stays:
                    pass  # a later bias may take it
            return self.change_for(out, own * amount, known, passed)
        moved = self._passed_on(operation, place, amount, known)
        return self.change_for(out, moved, known, passed)

    def _passed_on(
        self, operation: Operation, place: int, amount: np.ndarray, known: Mapping[int, Known]
    ) -> np.ndarray:
        """What an operation makes of a constant difference."""
        name, settings = operation.name, operation.settings
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        if name in LAYOUT:
            return self.sources.laid_out(operation, amount)
        if name == "optimization_barrier":
            return amount
        if name == "neg":
            return -amount
        if name in ("mul", "div") and not (name == "div" and place == 1):
            factor = known[operation.inputs[1 - place]]
            if not factor.varies.any():
                factors = factor.value.astype(np.float64)
                return amount * factors if name == "mul" else amount / factors
        if name == "concatenate":
            parts = [
                amount if i == place else np.zeros((1,) * len(shape))
                for i, shape in enumerate(shapes)
            ]
            return fields.join(parts, shapes, settings["dimension"])
        if name == "reduce_sum":
            wide = [
                shapes[0][a] if a in settings["axes"] else n for a, n in enumerate(amount.shape)
            ]
            return np.broadcast_to(amount, wide).sum(axis=tuple(settings["axes"]))
        if name in _POOLED or name == "reduce_window_sum":
            return self._pooled(operation, amount)
        if name == "dot_general" and not known[operation.inputs[1 - place]].varies.any():
            factors = [amount, known[operation.inputs[1 - place]].value]
            if place == 1:
                factors.reverse()
            letters = product_letters(operation, shapes)
            return contract(letters, *factors, shapes, np.float64)
        if name == "conv_general_dilated" and place == 0:
            return self._convolved(operation, amount, known)
        raise Stays(f"`{name}` comes before the next bias")

    def _pooled(self, operation: Operation, amount: np.ndarray) -> np.ndarray:
        settings = operation.settings
        if "axes" in settings:
            axes = tuple(settings["axes"])
            return one_of_each(amount, [1 if a in axes else 2 for a in range(amount.ndim)]).squeeze(
                axes
            )
        windows = settings["window_dimensions"]
        plain = zip(windows, settings["window_strides"], settings["padding"], strict=True)
        moved = [axis for axis, one in enumerate(plain) if one != (1, 1, (0, 0))]
        same = one_of_each(amount, [1 if a in moved else 2 for a in range(amount.ndim)])
        if operation.name != "reduce_window_sum":
            return same
        if is_padded(settings["padding"], settings["base_dilation"]):
            raise Stays("zero padding makes pooling see it end at the border")
        return same * np.prod(windows)

    def _convolved(
        self, operation: Operation, amount: np.ndarray, known: Mapping[int, Known]
    ) -> np.ndarray:
        settings = operation.settings
        kernel = known[operation.inputs[1]]
        if kernel.varies.any() or settings["batch_group_count"] != 1:
            raise Stays("a convolution with a kernel that varies comes before the next bias")
        if is_padded(settings["padding"], settings["lhs_dilation"]):
            raise Stays("zero padding makes the next layer see it end at the border")
        channel = settings["dimension_numbers"].lhs_spec[1]
        one_of_each(amount, [2 if a == channel else 1 for a in range(amount.ndim)])
        difference = Known(amount, np.zeros((1,) * amount.ndim, bool))
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        value, _, by_group = convolution_fields(operation, [difference, kernel], shapes)
        total = np.einsum("goip,gi->go", by_group.value.astype(np.float64), value)
        out = settings["dimension_numbers"].out_spec[1]
        return total.reshape([-1 if a == out else 1 for a in range(len(shapes[0]))])
