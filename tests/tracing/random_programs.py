"""Functions of random operations on small arrays of parameters and inputs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.tracing import random_moves as moves
from tests.tracing import random_sums as sums

MAX_SIZE = 200


class Made(NamedTuple):
    """A function `apply(params, x)` that returns the results of all its operations, in order."""

    apply: Callable[..., list[jax.Array]]
    params: list[np.ndarray]
    inputs: np.ndarray  # [samples, ...]
    names: list[str]  # of what made each result


def random_program(
    seed: int, length: int = 10, samples: int = 6, names: Sequence[str] = ()
) -> Made:
    """Draw operations, of all or of those with these names, until there are `length` results."""
    rng = np.random.default_rng(seed)
    params = [_sparse(rng, _shape(rng)) for _ in range(5)]
    inputs = rng.integers(-2, 3, (samples, *_shape(rng))).astype(np.float32)
    steps: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
    choices = list(names or OPERATIONS)
    drawn: list[str] = []
    shapes = [param.shape for param in params] + [inputs.shape[1:]]
    for _ in range(50 * length):
        if len(steps) == length:
            break
        name = choices[rng.integers(len(choices))]
        # What came last is taken more often, so that long ways arise.
        weights = np.arange(1, len(shapes) + 1) ** 1.5
        weights[len(params)] = weights.max()
        order = rng.choice(len(shapes), size=len(shapes), replace=False, p=weights / weights.sum())
        step = OPERATIONS[name](rng, shapes, [int(i) for i in order])
        if step is None:
            continue
        function, taken = step
        try:
            result = jax.eval_shape(
                function, *(jax.ShapeDtypeStruct(shapes[i], jnp.float32) for i in taken)
            )
        except (IndexError, TypeError, ValueError):
            continue  # shapes that do not fit
        if result.size > MAX_SIZE or result.ndim > 5:
            continue
        steps.append((function, taken))
        shapes.append(result.shape)
        drawn.append(name)

    def apply(params: list[jax.Array], x: jax.Array) -> list[jax.Array]:
        values = [*params, x]
        for function, taken in steps:
            values.append(function(*(values[i] for i in taken)))
        return values[len(params) + 1 :]

    return Made(apply, params, inputs, drawn)


def _shape(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.choice([1, 2, 3, 4], size=rng.choice([1, 2, 2, 3, 3, 4])))


def _sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Few values, of which many are zero, alone and in rows."""
    array = rng.integers(-2, 3, shape).astype(np.float32)
    for axis in range(array.ndim):
        gone = rng.random(shape[axis]) < 0.3
        array[(slice(None),) * axis + (gone,)] = 0
    return array


OPERATIONS = {
    "tanh": moves.unary(jnp.tanh),
    "relu": moves.unary(lambda x: jnp.maximum(x, 0.0)),
    "square": moves.unary(jnp.square),
    "sigmoid": moves.unary(jax.nn.sigmoid),
    "negative": moves.unary(jnp.negative),
    "whole": moves.unary(lambda x: (0.7 * x).astype(jnp.int32).astype(jnp.float32)),
    "bfloat16": moves.unary(lambda x: x.astype(jnp.bfloat16).astype(jnp.float32)),
    "clamp": moves.unary(lambda x: lax.clamp(np.float32(-1), x, np.float32(2))),
    "leaky": moves.unary(lambda x: jnp.where(x > 0, x, 0.5 * x)),
    "add": moves.binary(lax.add),
    "sub": moves.binary(lax.sub),
    "mul": moves.binary(lax.mul),
    "mul again": moves.binary(lax.mul),
    "max": moves.binary(lax.max),
    "div": moves.binary(lambda x, y: lax.div(x, 1.0 + jnp.abs(y))),
    "select": sums.select,
    "and": sums.both,
    "transpose": moves.transpose,
    "reshape": moves.reshape,
    "broadcast": moves.broadcast,
    "slice": moves.slice,
    "reverse": moves.reverse,
    "pad": moves.pad,
    "concatenate": moves.concatenate,
    "stack": moves.alike(jnp.stack),
    "split": moves.split,
    "dynamic slice": moves.dynamic_slice,
    "take, known": moves.taken_known,
    "take": moves.taken,
    "x[i, ..., j]": moves.indexed_twice,
    "take along axis": moves.along,
    "scatter": moves.scatter,
    "sum": sums.reduction(jnp.sum),
    "reduce max": sums.reduction(lambda x, axis: jnp.max(x, axis, initial=-5.0)),
    "prod": sums.reduction(jnp.prod),
    "any": sums.reduction(lambda x, axis: jnp.any(x != 0, axis).astype(jnp.float32)),
    "whole and": sums.reduction(
        lambda x, axis: lax.reduce_and_p.bind(
            x.astype(jnp.int32), axes=axis, out_sharding=None
        ).astype(jnp.float32)
    ),
    "cumsum": sums.along_axis(jnp.cumsum),
    "sort": sums.along_axis(jnp.sort),
    "argmax": sums.along_axis(lambda x, axis: jnp.argmax(x, axis).astype(jnp.float32)),
    "sum of windows": sums.window(0, lax.add),
    "max of windows": sums.window(-np.inf, lax.max),
    "product": sums.product,
    "product again": sums.product,
    "convolution": sums.convolution,
    "convolution again": sums.convolution,
    "branches": sums.branches,
    "layers": sums.layers,
    "barrier": sums.barrier,
}
