"""Rounds weights one after the other, so that each compensates the errors of those before it.

Blocks on one antidiagonal of blocks do not depend on each other, and are rounded at once. Where
inputs or outputs do not interact, all blocks of a row or a column are rounded at once.
"""

from collections.abc import Iterator
from functools import cache

import jax
import numpy as np

from jaxcomp.quantize.blocks import BLOCK, TOGETHER, Blocks, Choice, Factors, round_blocks
from jaxcomp.quantize.factors import Factor, as_before, in_order


def round_in_order(
    w: np.ndarray,
    steps: np.ndarray,
    inputs: Factor,
    outputs: Factor,
    choice: Choice,
    free: np.ndarray,
    classes: np.ndarray,
) -> np.ndarray:
    """Return levels, float64, in the shape of `w`.

    Args:
      w: float64 [matrices, inputs, outputs].
      steps: of that shape.
      inputs: factor of the moments of inputs.
      outputs: factor of the moments of the loss.
      choice: the possible levels, and their prices.
      free: bool, like `w`: whether a level other than zero is allowed.
      classes: integers, like `w`: rows of the prices of `choice`.
    """
    rows, columns = _Along(inputs), _Along(outputs)

    def split(array: np.ndarray) -> np.ndarray:
        return _blocks(in_order(array, inputs, outputs), rows, columns)

    known = list(map(split, (w, steps, free, classes)))
    levels, errors, remaining, above, left = (np.zeros(known[0].shape) for _ in range(5))
    for turn in _turns(rows, columns):
        for at in _some_at_a_time(turn, len(w)):
            blocks = Blocks(*(array[at] for array in (*known, above, left)))
            factors = Factors(rows.own[at[0], at[2]], columns.own[at[1], at[2]])
            with jax.enable_x64(True), jax.default_device(_host()):
                found = round_blocks(blocks, factors, choice)
            levels[at], errors[at], remaining[at] = map(np.asarray, found)
        for row, column in zip(*turn, strict=True):
            if not inputs.is_diagonal:
                down = rows.from_to[row, row + 1 :].swapaxes(-1, -2)
                above[row + 1 :, column] += np.matmul(down, errors[row, column])
            if not outputs.is_diagonal:
                on = columns.from_to[column, column + 1 :]
                left[row, column + 1 :] += np.matmul(remaining[row, column], on)
    together = _joined(levels)[:, : w.shape[1], : w.shape[2]]
    return as_before(together, inputs, outputs)


@cache
def _host() -> jax.Device | None:
    """Return the CPU: on an accelerator the many short steps would be mostly delay."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX is configured without a CPU backend
        return None


class _Along:
    """Cuts one axis of matrices into blocks, and pads it with entries that do not interact."""

    def __init__(self, factor: Factor) -> None:
        size = factor.order.shape[1]
        self.is_diagonal = factor.is_diagonal
        self.count = -(-size // BLOCK)
        self.beyond = self.count * BLOCK - size
        ends = ((0, 0), (0, self.beyond))
        diagonal = np.pad(factor.diagonal, ends, constant_values=1.0)
        # [blocks, matrices, entries, entries]: each block of the diagonal
        self.own = diagonal.reshape(-1, self.count, BLOCK).swapaxes(0, 1)[..., None] * np.eye(BLOCK)
        if not factor.is_diagonal:
            # [blocks, later blocks, matrices, entries, entries]. Products of blocks are so small
            # that BLAS starts no threads, which would wait for each other.
            upper = np.pad(factor.upper, (*ends, ends[1])) if self.beyond else factor.upper
            self.from_to = _blocks_of(upper)  # a view, since it can be large
            each = np.arange(self.count)
            self.own = np.where(self.own, self.own, self.from_to[each, each])


_Places = tuple[np.ndarray, ...]  # rows and columns of blocks


def _turns(rows: _Along, columns: _Along) -> Iterator[_Places]:
    """Yield the places of blocks that are rounded at once, in their order."""
    i, j = (x.ravel() for x in np.indices((rows.count, columns.count)))
    turn = (0 if rows.is_diagonal else i) + (0 if columns.is_diagonal else j) + 0 * i
    for number in range(turn.max() + 1):
        now = turn == number
        yield i[now], j[now]


def _some_at_a_time(turn: _Places, matrices: int) -> Iterator[_Places]:
    """Yield the places of `TOGETHER` blocks of matrices; the last is repeated to fill up."""
    count = len(turn[0]) * matrices
    for begin in range(0, count, TOGETHER):
        numbers = np.minimum(np.arange(begin, begin + TOGETHER), count - 1)
        place, matrix = np.divmod(numbers, matrices)
        yield turn[0][place], turn[1][place], matrix


def _blocks(array: np.ndarray, rows: _Along, columns: _Along) -> np.ndarray:
    """Return [rows of blocks, columns of blocks, matrices, rows, columns]."""
    whole = np.pad(array, ((0, 0), (0, rows.beyond), (0, columns.beyond)), mode="edge")
    return np.ascontiguousarray(_blocks_of(whole))


def _blocks_of(whole: np.ndarray) -> np.ndarray:
    matrices, rows, columns = whole.shape
    split = whole.reshape(matrices, rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    return split.transpose(1, 3, 0, 2, 4)


def _joined(blocks: np.ndarray) -> np.ndarray:
    rows, columns, matrices, height, width = blocks.shape
    return blocks.transpose(2, 0, 3, 1, 4).reshape(matrices, rows * height, columns * width)
