"""Random operations that move entries or look them up, and those on each entry."""

import jax.numpy as jnp
import numpy as np
from jax import lax

ZERO = np.float32(0)

# Each draws a function and the arrays that it takes, or None if there are none that fit.


def unary(function):
    return lambda rng, shapes, order: (function, (order[0],))


def binary(function):
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


def transpose(rng, shapes, order):
    permutation = tuple(int(a) for a in rng.permutation(len(shapes[order[0]])))
    return lambda x: lax.transpose(x, permutation), order[:1]


def reshape(rng, shapes, order):
    size = int(np.prod(shapes[order[0]]))
    shape = []
    for _ in range(rng.integers(1, 4)):
        factor = int(rng.choice([f for f in (1, 2, 3, 4, 6) if size % f == 0]))
        shape.append(factor)
        size //= max(factor, 1)
    shape.insert(int(rng.integers(len(shape) + 1)), size)
    return lambda x: x.reshape(shape), order[:1]


def broadcast(rng, shapes, order):
    before = shapes[order[0]]
    rank = len(before) + int(rng.integers(0, 3))
    dimensions = sorted(int(a) for a in rng.choice(rank, size=len(before), replace=False))
    shape = [int(rng.choice([1, 2, 3])) for _ in range(rank)]
    for axis, target in enumerate(dimensions):
        shape[target] = before[axis] if before[axis] != 1 else shape[target]
    return lambda x: lax.broadcast_in_dim(x, shape, dimensions), order[:1]


def slice(rng, shapes, order):
    before = shapes[order[0]]
    starts = [int(rng.integers(0, n)) if n else 0 for n in before]
    least = 0 if rng.random() < 0.05 else 1
    limits = [
        int(rng.integers(min(s + least, n), n + 1)) for s, n in zip(starts, before, strict=True)
    ]
    strides = [int(rng.choice([1, 1, 2])) for _ in before]
    return lambda x: lax.slice(x, starts, limits, strides), order[:1]


def reverse(rng, shapes, order):
    axes = [axis for axis in range(len(shapes[order[0]])) if rng.random() < 0.5]
    return lambda x: lax.rev(x, axes), order[:1]


def pad(rng, shapes, order):
    config = [
        tuple(int(n) for n in rng.choice([-1, 0, 0, 0, 1, 2], size=2)) for _ in shapes[order[0]]
    ]
    config = [(low, high, int(rng.choice([0, 0, 1]))) for low, high in config]
    scalars = [i for i in order if shapes[i] == ()]
    if scalars and rng.random() < 0.5:
        return lambda x, fill: lax.pad(x, fill, config), (order[0], scalars[0])
    fill = np.float32(rng.integers(-1, 2))
    return lambda x: lax.pad(x, fill, config), order[:1]


def alike(join):
    """The same, with arrays of one shape."""

    def draw(rng, shapes, order):
        same = [i for i in order if shapes[i] == shapes[order[0]]][:3]
        axis = int(rng.integers(len(shapes[order[0]]) + 1))
        return (lambda *parts: join(parts, axis)), same

    return draw


def concatenate(rng, shapes, order):
    first = shapes[order[0]]
    if not first:
        return None
    axis = int(rng.integers(len(first)))

    def rest(shape):
        return (len(shape), *(n for a, n in enumerate(shape) if a != axis))

    fits = [i for i in order if rest(shapes[i]) == rest(first)][:3]
    return (lambda *parts: lax.concatenate(parts, axis)), fits


def split(rng, shapes, order):
    shape = shapes[order[0]]
    axes = [axis for axis, n in enumerate(shape) if n > 1]
    if not axes:
        return None
    axis, part = int(rng.choice(axes)), int(rng.integers(2))
    size = int(rng.integers(1, shape[axis]))
    return lambda x: lax.split(x, (size, shape[axis] - size), axis)[part], order[:1]


def index(array, size):
    """A place on an axis that follows from the entries of an array."""
    return jnp.mod(jnp.sum(jnp.abs(array)).astype(jnp.int32), jnp.int32(size + 1))


def dynamic_slice(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis = int(rng.integers(len(before)))
    sizes = list(before)
    sizes[axis] = int(rng.integers(1, max(before[axis], 1) + 1))

    def cut(x, other):
        starts = [jnp.int32(0)] * len(before)
        starts[axis] = index(other, before[axis])
        return lax.dynamic_slice(x, starts, sizes)

    return cut, (order[0], order[-1] if rng.random() < 0.7 else order[1])


def taken_known(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis = int(rng.integers(len(before)))
    shape = (3,) if rng.random() < 0.7 else (2, 2)
    where = rng.integers(-1, before[axis] + 1, shape).astype(np.int32)
    mode = ["clip", "fill", "wrap"][rng.integers(3)]
    fill = 0 if mode == "fill" else None
    return lambda x: jnp.take(x, where, axis, mode=mode, fill_value=fill), order[:1]


def taken(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis, mode = int(rng.integers(len(before))), ["clip", "fill"][rng.integers(2)]
    fill = float(rng.integers(-1, 2)) if mode == "fill" else None

    def take(x, other):
        where = index(other, before[axis]) + jnp.arange(2, dtype=jnp.int32)
        return jnp.take(x, where, axis, mode=mode, fill_value=fill)

    return take, (order[0], order[1])


def indexed_twice(rng, shapes, order):
    before = shapes[order[0]]
    if len(before) < 2:
        return None
    first = rng.integers(0, max(before[0], 1), 3)
    second = rng.integers(0, max(before[-1], 1), 3)
    return lambda x: x[first, ..., second], order[:1]


def along(rng, shapes, order):
    before = shapes[order[0]]
    if not before:
        return None
    axis = int(rng.integers(len(before)))
    where = rng.integers(0, max(before[axis], 1), before).astype(np.int32)
    return lambda x: jnp.take_along_axis(x, where, axis), order[:1]


def scatter(rng, shapes, order):
    before = shapes[order[0]]
    if not before or not before[0]:
        return None
    where = int(rng.integers(before[0]))
    if rng.random() < 0.5:
        return lambda x: x.at[where].set(1.0), order[:1]
    return lambda x, y: x.at[where].add(jnp.sum(y)), order[:2]
