"""Rounds blocks of a matrix, weight after weight, in one compiled function.

The weights on one antidiagonal of a block do not depend on each other, and are rounded at once, in
several blocks that do not depend on each other either.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.quantize.reproduction import Reproduction

BLOCK = 32  # rows and columns of a block
TOGETHER = 8  # blocks that are rounded at once
PRICED = 255  # larger levels have the price of this one

_TURNS = 2 * BLOCK - 1
_I = np.arange(BLOCK)
# [turns, rows]: the column of each row, which is also the row of each column. Where it is outside
# the block, the nearest column stands in; its result is multiplied by zeros, and is not returned.
_COLUMNS = np.clip(np.arange(_TURNS)[:, None] - _I, 0, BLOCK - 1)


class Choice(NamedTuple):
    """Holds the values that levels stand for, and the price of each level."""

    reproduction: Reproduction
    # [classes, 2 PRICED + 1]: for levels from -PRICED to PRICED, in units of the error
    prices: np.ndarray


class Blocks(NamedTuple):
    """Holds blocks and the errors around them; all arrays are [blocks, rows, columns]."""

    target: jax.Array
    step: jax.Array
    free: jax.Array  # bool: whether a level other than zero is allowed
    classes: jax.Array  # rows of `Choice.prices`
    above: jax.Array  # `V^T e` of the errors above
    left: jax.Array  # `r U` of the remainders to the left


class Factors(NamedTuple):
    """Holds the factors of moments, of rows and of columns, at the blocks of a diagonal."""

    # Errors are also passed to places that are already rounded, where nothing reads them. So
    # entries below the diagonal do not count.
    rows: jax.Array  # [blocks, rows, rows]
    columns: jax.Array  # [blocks, columns, columns]


@jax.jit
def round_blocks(
    blocks: Blocks, factors: Factors, choice: Choice
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return levels, errors, and the remainder of each weight after the errors above it."""
    own_rows = jnp.diagonal(factors.rows, axis1=1, axis2=2)
    own_columns = jnp.diagonal(factors.columns, axis1=1, axis2=2)[:, _COLUMNS].swapaxes(0, 1)
    turns = [_by_turn(array) for array in blocks[:4]]
    down, on = map(_from_behind, factors)
    column_of = jnp.asarray(_COLUMNS)
    zeros = jnp.zeros((_TURNS, *blocks.target.shape[:2]), blocks.target.dtype)

    def turn(now: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        above, left, *done = state
        target, step, free, classes = (array[now] for array in turns)
        columns, own_column = column_of[now], own_columns[now]
        here = jnp.broadcast_to(columns[None, :, None], (*above.shape[:2], 1))
        from_above, from_left = (
            jnp.take_along_axis(array, here, axis=2)[..., 0] for array in (above, left)
        )
        wanted = target + from_above / own_rows
        goal = (wanted + from_left / own_column) / step
        levels, values = _chosen(goal, (own_rows * own_column * step) ** 2, free, classes, choice)
        stored = step * values
        error, rest = target - stored, wanted - stored
        above += _turned(down, now).swapaxes(1, 2) * error[:, None, columns]
        left += _turned(on, now) * rest[:, :, None]
        new = (levels, error, rest)
        done = [every.at[now].set(one) for every, one in zip(done, new, strict=True)]
        return above, left, *done

    start = (blocks.above, blocks.left, zeros, zeros, zeros)
    _, _, *done = jax.lax.fori_loop(0, _TURNS, turn, start)
    return tuple(array[_I[:, None] + _I, :, _I[:, None]].transpose(2, 0, 1) for array in done)


def _by_turn(array: jax.Array) -> jax.Array:
    """Return [turns, blocks, rows] of [blocks, rows, columns]."""
    return array[:, _I, _COLUMNS].swapaxes(0, 1)


def _from_behind(factor: jax.Array) -> jax.Array:
    """Return the rows of a factor in reverse order, with zeros around them."""
    return jnp.pad(factor[:, ::-1], ((0, 0), (BLOCK - 1, BLOCK - 1), (0, 0)))


def _turned(from_behind: jax.Array, now: int) -> jax.Array:
    """Return row `now - i` of a factor for each `i`, and zeros where there is none."""
    size = (len(from_behind), BLOCK, BLOCK)
    return jax.lax.dynamic_slice(from_behind, (0, _TURNS - 1 - now, 0), size)


def _chosen(
    goal: jax.Array, worth: jax.Array, free: jax.Array, classes: jax.Array, choice: Choice
) -> tuple[jax.Array, jax.Array]:
    """Return the best of the nearest level, one and two nearer to zero, and zero; and its value.

    Args:
      goal: the wanted value, in steps.
      worth: the cost of the squared error of a step.
      free: whether a level other than zero is allowed.
      classes: classes of prices.
      choice: levels and prices.
    """
    reproduction, prices = choice
    near = jnp.where(free, reproduction.nearest(goal), 0.0)
    sign, size = jnp.sign(near), jnp.abs(near)
    first = classes.astype(int) * prices.shape[1] + PRICED  # the place of level 0
    best, stored, least = near, near, jnp.full_like(near, jnp.inf)
    for smaller in (size, jnp.maximum(size - 1, 0), jnp.maximum(size - 2, 0), 0 * size):
        level = sign * smaller
        place = first + (sign * jnp.minimum(smaller, PRICED)).astype(int)
        values = reproduction.values(level)
        cost = worth * (goal - values) ** 2 + prices.ravel()[place]
        better = cost < least
        best, stored = jnp.where(better, level, best), jnp.where(better, values, stored)
        least = jnp.where(better, cost, least)
    return best, stored
