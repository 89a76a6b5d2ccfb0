"""Converts arrays of weights to matrices [inputs, outputs], and back."""

import math
from typing import NamedTuple

import numpy as np

from jaxcomp.axes import all_but


class Layer(NamedTuple):
    """Describes the matrices that one array of weights holds.

    Inputs are numbered along all axes except those of outputs and stack, in row-major order.
    """

    shape: tuple[int, ...]
    outputs: tuple[int, ...]  # axes
    stack: tuple[int, ...] = ()  # axes
    groups: int = 1  # groups of a convolution: the output units of each take different inputs

    def matrices(self, w: np.ndarray) -> np.ndarray:
        """Return an array of this shape as [stack times groups, inputs, outputs of a group]."""
        moved = w.transpose(self._order()).reshape(self._stacked(), -1, self.groups, self._width())
        return moved.swapaxes(1, 2).reshape(-1, moved.shape[1], self._width())

    def array(self, matrices: np.ndarray) -> np.ndarray:
        """Return the array of this shape that holds these matrices."""
        order = self._order()
        split = matrices.reshape(self._stacked(), self.groups, -1, self._width()).swapaxes(1, 2)
        moved = split.reshape([self.shape[axis] for axis in order])
        return moved.transpose(np.argsort(order))

    def slices(self, parts: np.ndarray) -> np.ndarray:
        """Return the array of numbers beside the matrices; constant axes have size 1.

        With groups there are no numbers for each input, since groups have different inputs.
        """
        matrices, inputs, outputs = self.sizes()
        whole = self.array(np.broadcast_to(parts, (matrices, inputs, outputs)))
        same: tuple[int, ...] = ()  # axes along which all are the same
        if parts.shape[1] == 1:
            same += self._inner()
        if parts.shape[2] == 1 and self.groups == 1:
            same += self.outputs
        first = (slice(0, 1) if axis in same else slice(None) for axis in range(whole.ndim))
        return whole[tuple(first)]

    def sizes(self) -> tuple[int, int, int]:
        """Return the number of matrices, of their inputs and of their outputs."""
        matrices = self._stacked() * self.groups
        width = self._width()
        return matrices, math.prod(self.shape) // max(1, matrices * width), width

    def _order(self) -> tuple[int, ...]:
        return (*self.stack, *self._inner(), *self.outputs)

    def _inner(self) -> tuple[int, ...]:
        return all_but((*self.stack, *self.outputs), len(self.shape))

    def _stacked(self) -> int:
        return math.prod(self.shape[axis] for axis in self.stack)

    def _width(self) -> int:
        return math.prod(self.shape[axis] for axis in self.outputs) // self.groups
