"""Factorizes second moments into triangular factors, in the order in which weights are rounded."""

from typing import NamedTuple

import numpy as np


class Factor(NamedTuple):
    """Holds second moments as `V V^T` with an upper triangular `V`, and the order in it."""

    order: np.ndarray  # int [matrices, entries]
    upper: np.ndarray  # float64 [matrices, entries, entries]; of diagonals [matrices, entries]

    @property
    def diagonal(self) -> np.ndarray:
        """Return `V_ii`, [matrices, entries]."""
        return diagonal_of(self.upper)

    @property
    def is_diagonal(self) -> bool:
        """Return whether the moments are diagonal, so that entries do not interact."""
        return self.upper.ndim == 2

    @property
    def squares(self) -> np.ndarray:
        """Return `V_ii^2`, [matrices, entries], in the order that the moments have."""
        squares = np.empty_like(self.diagonal)
        np.put_along_axis(squares, self.order, self.diagonal**2, axis=1)
        return squares


def diagonal_of(second: np.ndarray) -> np.ndarray:
    """Return the diagonals of [matrices, entries, entries], or diagonals as they are given."""
    return second if second.ndim == 2 else np.einsum("mii->mi", second)


def factorize(second: np.ndarray) -> Factor:
    """Return the factor of positive definite moments; large ones come first.

    Args:
      second: float64 [matrices, entries, entries], or [matrices, entries] for diagonal moments.

    Example:
      >>> import numpy as np
      >>> factor = factorize(np.array([[[4.0, 2.0], [2.0, 5.0]]]))
      >>> factor.order.tolist(), (factor.upper @ factor.upper.swapaxes(1, 2)).tolist()
      ([[1, 0]], [[[5.0, 2.0], [2.0, 4.0]]])
    """
    order = np.argsort(-diagonal_of(second), axis=1, kind="stable")
    if second.ndim == 2:
        return Factor(order, np.sqrt(np.take_along_axis(second, order, axis=1)))
    upper = np.empty_like(second)
    for own, at, to in zip(second, order, upper, strict=True):
        backwards = at[::-1]
        to[:] = np.linalg.cholesky(own[np.ix_(backwards, backwards)])[::-1, ::-1]
    return Factor(order, upper)


def in_order(array: np.ndarray, inputs: Factor, outputs: Factor) -> np.ndarray:
    """Return an array [matrices, inputs, outputs] in the order of the factors."""
    by_input = np.take_along_axis(array, inputs.order[:, :, None], axis=1)
    return np.take_along_axis(by_input, outputs.order[:, None], axis=2)


def as_before(array: np.ndarray, inputs: Factor, outputs: Factor) -> np.ndarray:
    """Invert `in_order`."""
    by_input = np.empty_like(array)
    np.put_along_axis(by_input, outputs.order[:, None], array, axis=2)
    back = np.empty_like(array)
    np.put_along_axis(back, inputs.order[:, :, None], by_input, axis=1)
    return back


def products_of(errors: np.ndarray, inputs: Factor, outputs: Factor) -> np.ndarray:
    """Return `V^T e U` of errors [matrices, inputs, outputs]; its squares sum to their cost."""
    ordered = in_order(errors, inputs, outputs)
    if inputs.is_diagonal:
        ordered = inputs.upper[:, :, None] * ordered
    else:
        ordered = np.matmul(inputs.upper.swapaxes(1, 2), ordered)
    if outputs.is_diagonal:
        return ordered * outputs.upper[:, None]
    return np.matmul(ordered, outputs.upper)
