"""Functions of random operations on small arrays of parameters and inputs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

MAX_SIZE = 200
ZERO = np.float32(0)


class Made(NamedTuple):
    """A function `apply(params, x)` that returns the results of all its operations, in order."""

    apply: Callable[..., list[jax.Array]]
    params: list[np.ndarray]
    inputs: np.ndarray  # [samples, ...]
    names: list[str]  # of what made each result


def random_program(seed: int, length: int = 10, samples: int = 6) -> Made:
    """Draw operations until there are `length` results."""
    rng = np.random.default_rng(seed)
    params = [_sparse(rng, _shape(rng)) for _ in range(5)]
    inputs = rng.integers(-2, 3, (samples, *_shape(rng))).astype(np.float32)
    steps: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
    names: list[str] = []
    shapes = [param.shape for param in params] + [inputs.shape[1:]]
    for _ in range(50 * length):
        if len(steps) == length:
            break
        name = list(OPERATIONS)[rng.integers(len(OPERATIONS))]
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
        except (TypeError, ValueError):
            continue  # shapes that do not fit
        if result.size > MAX_SIZE or result.ndim > 5:
            continue
        steps.append((function, taken))
        shapes.append(result.shape)
        names.append(name)

    def apply(params: list[jax.Array], x: jax.Array) -> list[jax.Array]:
        values = [*params, x]
        for function, taken in steps:
            values.append(function(*(values[i] for i in taken)))
        return values[len(params) + 1 :]

    return Made(apply, params, inputs, names)


def _shape(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.choice([1, 2, 3, 4], size=rng.choice([1, 2, 2, 3, 3, 4])))


def _sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Few values, of which many are zero, alone and in rows."""
    array = rng.integers(-2, 3, shape).astype(np.float32)
    for axis in range(array.ndim):
        gone = rng.random(shape[axis]) < 0.3
        array[(slice(None),) * axis + (gone,)] = 0
    return array


# Each draws a function and the arrays that it takes, or None if there are none that fit.


def _unary(function):
    return lambda rng, shapes, order: (function, (order[0],))


def _binary(function):
    def draw(rng, shapes, order):
        first = order[0]
        for other in order[rng.integers(2) :]:
            if len(shapes[other]) not in (0, len(shapes[first])):
                continue
            if all(1 in (a, b) or a == b for a, b in zip(shapes[first], shapes[other])):  # noqa: B905
                taken = (first, other) if rng.random() < 0.5 else (other, first)
                return function, taken
        return None

    return draw


def _transpose(rng, shapes, order):
    permutation = tuple(int(a) for a in rng.permutation(len(shapes[order[0]])))
    return lambda x: lax.transpose(x, permutation), order[:1]


def _reshape(rng, shapes, order):
    size = int(np.prod(shapes[order[0]]))
    shape = []
    for _ in range(rng.integers(1, 4)):
        factor = int(rng.choice([f for f in (1, 2, 3, 4, 6) if size % f == 0]))
        shape.append(factor)
        size //= max(factor, 1)
    shape.insert(int(rng.integers(len(shape) + 1)), size)
    return lambda x: x.reshape(shape), order[:1]


def _broadcast(rng, shapes, order):
    before = shapes[order[0]]
    rank = len(before) + int(rng.integers(0, 3))
    dimensions = sorted(int(a) for a in rng.choice(rank, size=len(before), replace=False))
    shape = [int(rng.choice([1, 2, 3])) for _ in range(rank)]
    for axis, target in enumerate(dimensions):
        shape[target] = before[axis] if before[axis] != 1 else shape[target]
    return lambda x: lax.broadcast_in_dim(x, shape, dimensions), order[:1]


def _slice(rng, shapes, order):
    before = shapes[order[0]]
    starts = [int(rng.integers(0, n)) if n else 0 for n in before]
    least = 0 if rng.random() < 0.05 else 1
    limits = [
        int(rng.integers(min(s + least, n), n + 1)) for s, n in zip(starts, before, strict=True)
    ]
    strides = [int(rng.choice([1, 1, 2])) for _ in before]
    return lambda x: lax.slice(x, starts, limits, strides), order[:1]


def _reverse(rng, shapes, order):
    axes = [axis for axis in range(len(shapes[order[0]])) if rng.random() < 0.5]
    return lambda x: lax.rev(x, axes), order[:1]


def _pad(rng, shapes, order):
    config = [
        tuple(int(n) for n in rng.choice([-1, 0, 0, 0, 1, 2], size=2)) for _ in shapes[order[0]]
    ]
    config = [(low, high, int(rng.choice([0, 0, 1]))) for low, high in config]
    scalars = [i for i in order if shapes[i] == ()]
    if scalars and rng.random() < 0.5:
        return lambda x, fill: lax.pad(x, fill, config), (order[0], scalars[0])
    fill = np.float32(rng.integers(-1, 2))
    return lambda x: lax.pad(x, fill, config), order[:1]


def _joined(join):
    def draw(rng, shapes, order):
        rank = len(shapes[order[0]])
        if rank == 0:
            return None
        axis = int(rng.integers(rank))
        return (lambda *parts: join(parts, axis)), order[: int(rng.integers(1, 4))]

    return draw


def _alike(join):
    """The same, with arrays of one shape."""

    def draw(rng, shapes, order):
        same = [i for i in order if shapes[i] == shapes[order[0]]][:3]
        axis = int(rng.integers(len(shapes[order[0]]) + 1))
        return (lambda *parts: join(parts, axis)), same

    return draw


def _concatenate(rng, shapes, order):
    first = shapes[order[0]]
    if not first:
        return None
    axis = int(rng.integers(len(first)))

    def rest(shape):
        return (len(shape), *(n for a, n in enumerate(shape) if a != axis))

    fits = [i for i in order if rest(shapes[i]) == rest(first)][:3]
    return (lambda *parts: lax.concatenate(parts, axis)), fits


def _split(rng, shapes, order):
    shape = shapes[order[0]]
    axes = [axis for axis, n in enumerate(shape) if n > 1]
    if not axes:
        return None
    axis, part = int(rng.choice(axes)), int(rng.integers(2))
    size = int(rng.integers(1, shape[axis]))
    return lambda x: lax.split(x, (size, shape[axis] - size), axis)[part], order[:1]


def _index(array, size):
    """A place on an axis that follows from the entries of an array."""
    return jnp.mod(jnp.sum(jnp.abs(array)).astype(jnp.int32), jnp.int32(size + 1))


def _dynamic_slice(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis = int(rng.integers(len(before)))
    sizes = list(before)
    sizes[axis] = int(rng.integers(1, max(before[axis], 1) + 1))

    def cut(x, other):
        starts = [jnp.int32(0)] * len(before)
        starts[axis] = _index(other, before[axis])
        return lax.dynamic_slice(x, starts, sizes)

    return cut, (order[0], order[-1] if rng.random() < 0.7 else order[1])


def _taken_known(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis = int(rng.integers(len(before)))
    shape = (3,) if rng.random() < 0.7 else (2, 2)
    where = rng.integers(-1, before[axis] + 1, shape).astype(np.int32)
    mode = ["clip", "fill", "wrap"][rng.integers(3)]
    fill = 0 if mode == "fill" else None
    return lambda x: jnp.take(x, where, axis, mode=mode, fill_value=fill), order[:1]


def _taken(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis, mode = int(rng.integers(len(before))), ["clip", "fill"][rng.integers(2)]
    fill = float(rng.integers(-1, 2)) if mode == "fill" else None

    def take(x, other):
        where = _index(other, before[axis]) + jnp.arange(2, dtype=jnp.int32)
        return jnp.take(x, where, axis, mode=mode, fill_value=fill)

    return take, (order[0], order[1])


def _indexed_twice(rng, shapes, order):
    before = shapes[order[0]]
    if len(before) < 2:
        return None
    first = rng.integers(0, max(before[0], 1), 3)
    second = rng.integers(0, max(before[-1], 1), 3)
    return lambda x: x[first, ..., second], order[:1]


def _along(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis = int(rng.integers(len(before)))
    where = rng.integers(0, max(before[axis], 1), before).astype(np.int32)
    return lambda x: jnp.take_along_axis(x, where, axis), order[:1]


def _scatter(rng, shapes, order):
    before = shapes[order[0]]
    if not before or not before[0]:
        return None
    where = int(rng.integers(before[0]))
    if rng.random() < 0.5:
        return lambda x: x.at[where].set(1.0), order[:1]
    return lambda x, y: x.at[where].add(jnp.sum(y)), order[:2]


def _reduction(function):
    def draw(rng, shapes, order):
        shape = shapes[order[0]]
        axes = tuple(axis for axis in range(len(shape)) if rng.random() < 0.4)
        return lambda x: function(x, axis=axes), order[:1]

    return draw


def _along_axis(function):
    def draw(rng, shapes, order):
        if not shapes[order[0]]:
            return None
        axis = int(rng.integers(len(shapes[order[0]])))
        return lambda x: function(x, axis), order[:1]

    return draw


def _window(start, combine):
    def draw(rng, shapes, order):
        shape = shapes[order[0]]

        def each(*choices):
            return tuple(int(rng.choice(choices)) for _ in shape)

        windows, strides = each(1, 1, 2, 3), each(1, 1, 2)
        padding = tuple((int(rng.choice([0, 0, 1, 2])), int(rng.choice([0, 0, 1]))) for _ in shape)
        base, dilation = each(1, 1, 1, 2), each(1, 1, 2)

        def pool(x):
            y = lax.reduce_window(
                x, np.float32(start), combine, windows, strides, padding, base, dilation
            )
            return jnp.maximum(y, -9.0) if start < 0 else y  # some windows see no entry

        return pool, order[:1]

    return draw


def _product(rng, shapes, order):
    one, other = order[0], order[int(rng.integers(len(order)))]
    pairs = [
        (a, b)
        for a, size in enumerate(shapes[one])
        for b, same in enumerate(shapes[other])
        if size == same
    ]
    rng.shuffle(pairs)
    contracted, batch, used = ([], []), ([], []), (set(), set())
    for a, b in pairs:
        if a in used[0] or b in used[1] or rng.random() < 0.2:
            continue
        group = contracted if rng.random() < 0.7 else batch
        group[0].append(int(a))
        group[1].append(int(b))
        used[0].add(a)
        used[1].add(b)
    return lambda x, y: lax.dot_general(x, y, (contracted, batch)), (one, other)


def _convolution(rng, shapes, order):
    images = [i for i in order if len(shapes[i]) in (3, 4) and 0 not in shapes[i]]
    if not images:
        return None
    one = images[0]
    rank = len(shapes[one])
    kernels = [i for i in order if len(shapes[i]) == rank and 0 not in shapes[i]]
    other = kernels[int(rng.integers(len(kernels)))]
    specs = ("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC"), ("NCHW", "HWIO", "CNHW")
    numbers = tuple(s.replace("W", "") if rank == 3 else s for s in specs[rng.integers(3)])
    settings = {
        "window_strides": [int(n) for n in rng.choice([1, 2], size=rank - 2)],
        "padding": [
            tuple(int(n) for n in rng.choice([-1, 0, 0, 1], size=2)) for _ in range(rank - 2)
        ],
        "lhs_dilation": [int(n) for n in rng.choice([1, 1, 2], size=rank - 2)],
        "rhs_dilation": [int(n) for n in rng.choice([1, 1, 2], size=rank - 2)],
    }
    if rng.random() < 0.5:
        settings["padding"] = [(0, 0)] * (rank - 2)
        settings["lhs_dilation"] = [1] * (rank - 2)
    # The number of groups that makes the channels fit, if there is one.
    channels, into = shapes[one][numbers[0].index("C")], shapes[other][numbers[1].index("I")]
    key = "feature_group_count"
    groups = channels // max(into, 1)
    if groups == 1 and rng.random() < 0.2:
        key, groups = "batch_group_count", shapes[one][numbers[0].index("N")]
    settings[key] = max(groups, 1)
    return (
        lambda x, k: lax.conv_general_dilated(x, k, dimension_numbers=numbers, **settings),
        (one, other),
    )


def _branches(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    other = order[-1] if rng.random() < 0.5 else order[0]

    def branch(x, y, on):
        return lax.switch(_index(on, 2), [lambda x, y: x * y, lambda x, y: x, jnp.add], x, y)

    return branch, (same[0], same[-1], other)


def _layers(rng, shapes, order):
    """A scan over the first axis of one array, with another one as its state."""
    for i in order:
        for state in order:
            if shapes[i][1:] == shapes[state] and shapes[i] and shapes[i][0]:
                backward = bool(rng.random() < 0.3)

                def run(stacked, first):
                    def step(state, row):
                        new = jnp.maximum(state * row + first, 0.0)
                        return new, new - row

                    last, rows = lax.scan(step, first, stacked, reverse=backward)  # noqa: B023
                    return rows + last[None]

                return run, (i, state)
    return None


def _select(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    shape = shapes[order[0]]
    if rng.random() < 0.5:
        mask = rng.random(shape) < 0.5
        return lambda x, y: lax.select(mask, x, y), (same[0], same[-1])
    return lambda x, y: lax.select(x > ZERO, x, y), (same[0], same[-1])


def _both(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    return (
        lambda x, y: ((x > ZERO) & (y != ZERO)).astype(jnp.float32),
        (same[0], same[-1]),
    )


def _barrier(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    return lambda x, y: sum(lax.optimization_barrier((x, 2 * y))), (same[0], same[-1])


OPERATIONS = {
    "tanh": _unary(jnp.tanh),
    "relu": _unary(lambda x: jnp.maximum(x, 0.0)),
    "square": _unary(jnp.square),
    "sigmoid": _unary(jax.nn.sigmoid),
    "negative": _unary(jnp.negative),
    "whole": _unary(lambda x: (0.7 * x).astype(jnp.int32).astype(jnp.float32)),
    "bfloat16": _unary(lambda x: x.astype(jnp.bfloat16).astype(jnp.float32)),
    "clamp": _unary(lambda x: lax.clamp(np.float32(-1), x, np.float32(2))),
    "leaky": _unary(lambda x: jnp.where(x > 0, x, 0.5 * x)),
    "add": _binary(lax.add),
    "sub": _binary(lax.sub),
    "mul": _binary(lax.mul),
    "mul again": _binary(lax.mul),
    "max": _binary(lax.max),
    "div": _binary(lambda x, y: lax.div(x, 1.0 + jnp.abs(y))),
    "select": _select,
    "and": _both,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast": _broadcast,
    "slice": _slice,
    "reverse": _reverse,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _alike(jnp.stack),
    "split": _split,
    "dynamic slice": _dynamic_slice,
    "take, known": _taken_known,
    "take": _taken,
    "x[i, ..., j]": _indexed_twice,
    "take along axis": _along,
    "scatter": _scatter,
    "sum": _reduction(jnp.sum),
    "reduce max": _reduction(lambda x, axis: jnp.max(x, axis, initial=-5.0)),
    "prod": _reduction(jnp.prod),
    "any": _reduction(lambda x, axis: jnp.any(x != 0, axis).astype(jnp.float32)),
    "whole and": _reduction(
        lambda x, axis: lax.reduce_and_p.bind(
            x.astype(jnp.int32), axes=axis, out_sharding=None
        ).astype(jnp.float32)
    ),
    "cumsum": _along_axis(jnp.cumsum),
    "sort": _along_axis(jnp.sort),
    "argmax": _along_axis(lambda x, axis: jnp.argmax(x, axis).astype(jnp.float32)),
    "sum of windows": _window(0, lax.add),
    "max of windows": _window(-np.inf, lax.max),
    "product": _product,
    "product again": _product,
    "convolution": _convolution,
    "convolution again": _convolution,
    "branches": _branches,
    "layers": _layers,
    "barrier": _barrier,
}
