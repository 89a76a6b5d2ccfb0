"""Random operations that add up, multiply, choose and loop."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.tracing.random_moves import ZERO, index


def reduction(function):
    def draw(rng, shapes, order):
        shape = shapes[order[0]]
        axes = tuple(axis for axis in range(len(shape)) if rng.random() < 0.4)
        return lambda x: function(x, axis=axes), order[:1]

    return draw


def along_axis(function):
    def draw(rng, shapes, order):
        if not shapes[order[0]]:
            return None
        axis = int(rng.integers(len(shapes[order[0]])))
        return lambda x: function(x, axis), order[:1]

    return draw


def window(start, combine):
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


def product(rng, shapes, order):
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


def convolution(rng, shapes, order):
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


def branches(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    other = order[-1] if rng.random() < 0.5 else order[0]

    def branch(x, y, on):
        return lax.switch(index(on, 2), [lambda x, y: x * y, lambda x, y: x, jnp.add], x, y)

    return branch, (same[0], same[-1], other)


def layers(rng, shapes, order):
    """A scan over the first axis of one array, with another one as its state."""
    fits = [
        (i, state)
        for i in order
        for state in order
        if shapes[i] and shapes[i][0] and shapes[i][1:] == shapes[state]
    ]
    if not fits:
        return None
    backward = bool(rng.random() < 0.3)

    def run(stacked, first):
        def step(state, row):
            new = jnp.maximum(state * row + first, 0.0)
            return new, new - row

        last, rows = lax.scan(step, first, stacked, reverse=backward)
        return rows + last[None]

    return run, fits[0]


def select(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    shape = shapes[order[0]]
    if rng.random() < 0.5:
        mask = rng.random(shape) < 0.5
        return lambda x, y: lax.select(mask, x, y), (same[0], same[-1])
    return lambda x, y: lax.select(x > ZERO, x, y), (same[0], same[-1])


def both(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    return (
        lambda x, y: ((x > ZERO) & (y != ZERO)).astype(jnp.float32),
        (same[0], same[-1]),
    )


def barrier(rng, shapes, order):
    same = [i for i in order if shapes[i] == shapes[order[0]]]
    return lambda x, y: sum(lax.optimization_barrier((x, 2 * y))), (same[0], same[-1])
