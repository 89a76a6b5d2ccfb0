"""Weights rounded one after the other, each to make up for the errors of those before it.

What is on one antidiagonal of a matrix does not depend on each other, and is rounded at once: in
blocks, and in all blocks on one antidiagonal of blocks. Where inputs or outputs do not know of each
other, whole rows or columns of a block are.
"""

from collections.abc import Callable, Iterator

import numpy as np

from jaxcomp.quantize.factors import Factor, as_before, in_order

_BLOCK = 32
_WIDE_BLOCK = 512  # along an axis whose entries do not know of each other

# From what is wanted, in steps, what the squared error of a step costs, and further arrays of the
# same shape to levels and what they stand for, in steps.
Choose = Callable[..., tuple[np.ndarray, np.ndarray]]
_Places = tuple[np.ndarray, np.ndarray]  # in a block: rows and columns


def round_in_order(
    w: np.ndarray,
    steps: np.ndarray,
    inputs: Factor,
    outputs: Factor,
    choose: Choose,
    others: tuple[np.ndarray, ...],
) -> np.ndarray:
    """Return levels, float64.

    Args:
      w: float64 [matrices, inputs, outputs].
      steps: of that shape.
      inputs: factor of the moments of inputs.
      outputs: factor of those of the loss.
      choose: see `Choose`.
      others: arrays of that shape that it is given.
    """
    rows, columns = _Along(inputs), _Along(outputs)

    def split(array: np.ndarray) -> np.ndarray:
        return _blocks(in_order(array, inputs, outputs), rows, columns)

    target, step, *beside = map(split, (w, steps, *others))
    levels = np.zeros(target.shape)
    # `V^T e` of the errors above, and `r U` of what they leave to the left.
    above, left = np.zeros(target.shape), np.zeros(target.shape)
    turns = list(_turns(rows, columns))
    for at in _antidiagonals(rows.count, columns.count):
        own = (array[at] for array in (target, step, above, left, *beside))
        levels[at], errors, remaining = _round_blocks(rows, columns, at, turns, choose, *own)
        for row, column, error, rest in zip(*at, errors, remaining, strict=True):
            if not inputs.is_diagonal:
                later = rows.from_to[row, row + 1 :].swapaxes(-1, -2)  # [blocks, matrices, k, i]
                above[row + 1 :, column] += np.matmul(later, error)
            if not outputs.is_diagonal:
                left[row, column + 1 :] += np.matmul(rest, columns.from_to[column, column + 1 :])
    together = _joined(levels)[:, : w.shape[1], : w.shape[2]]
    return as_before(together, inputs, outputs)


class _Along:
    """One axis of matrices in blocks; what is beyond its end knows of nothing."""

    def __init__(self, factor: Factor) -> None:
        size = factor.order.shape[1]
        self.is_diagonal = factor.is_diagonal
        self.block = min(size, _WIDE_BLOCK if factor.is_diagonal else _BLOCK)
        self.count = -(-size // self.block)
        self.beyond = self.count * self.block - size
        ends = ((0, 0), (0, self.beyond))
        diagonal = np.pad(factor.diagonal, ends, constant_values=1.0)
        # [blocks, matrices, block]
        self.diagonal = diagonal.reshape(-1, self.count, self.block).swapaxes(0, 1)
        if not factor.is_diagonal:
            upper = np.pad(factor.upper, (*ends, ends[1]))
            # [blocks, later blocks, matrices, block, block]
            self.from_to = _blocks_of(upper, self.block, self.block)


def _round_blocks(
    rows: _Along,
    columns: _Along,
    at: _Places,
    turns: list[_Places],
    choose: Choose,
    target: np.ndarray,
    step: np.ndarray,
    above: np.ndarray,
    left: np.ndarray,
    *beside: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round blocks [blocks, matrices, rows, columns] that do not depend on each other.

    Returns:
      Their levels and errors, and what is left of each weight with the errors above it.
    """
    above_each, left_each = rows.diagonal[at[0]], columns.diagonal[at[1]]
    down = None if rows.is_diagonal else rows.from_to[at[0], at[0]]
    on = None if columns.is_diagonal else columns.from_to[at[1], at[1]]
    levels, errors, remaining = (np.zeros(target.shape) for _ in range(3))
    for i, j in turns:
        here = (..., i, j)
        own_row, own_column, own_step = above_each[..., i], left_each[..., j], step[here]
        wanted = target[here] + above[here] / own_row
        worth = (own_row * own_column * own_step) ** 2
        goal = (wanted + left[here] / own_column) / own_step
        levels[here], values = choose(goal, worth, *(array[here] for array in beside))
        stored = own_step * values
        errors[here], remaining[here] = target[here] - stored, wanted - stored
        if down is not None:
            later = slice(i.min() + 1, None)
            handed = down[..., i, later].swapaxes(-1, -2)
            above[..., later, j] += handed * errors[here][..., None, :]
        if on is not None:
            later = slice(j.min() + 1, None)
            left[..., i, later] += remaining[here][..., None] * on[..., j, later]
    return levels, errors, remaining


def _turns(rows: _Along, columns: _Along) -> Iterator[_Places]:
    """Yield the places of a block that are rounded at once, in their order."""
    i, j = (x.ravel() for x in np.indices((rows.block, columns.block)))
    turn = (0 if rows.is_diagonal else i) + (0 if columns.is_diagonal else j) + 0 * i
    for number in range(turn.max() + 1):
        now = turn == number
        yield i[now], j[now]


def _antidiagonals(height: int, width: int) -> Iterator[_Places]:
    for total in range(height + width - 1):
        rows = np.arange(max(0, total - width + 1), min(total, height - 1) + 1)
        yield rows, total - rows


def _blocks(array: np.ndarray, rows: _Along, columns: _Along) -> np.ndarray:
    """Return [rows of blocks, columns of blocks, matrices, rows, columns]."""
    whole = np.pad(array, ((0, 0), (0, rows.beyond), (0, columns.beyond)), mode="edge")
    return _blocks_of(whole, rows.block, columns.block)


def _blocks_of(whole: np.ndarray, height: int, width: int) -> np.ndarray:
    matrices, rows, columns = whole.shape
    split = whole.reshape(matrices, rows // height, height, columns // width, width)
    return np.ascontiguousarray(split.transpose(1, 3, 0, 2, 4))


def _joined(blocks: np.ndarray) -> np.ndarray:
    rows, columns, matrices, height, width = blocks.shape
    return blocks.transpose(2, 0, 3, 1, 4).reshape(matrices, rows * height, columns * width)
