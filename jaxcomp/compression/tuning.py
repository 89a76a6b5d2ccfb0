"""Trains steps, codebooks and biases of a rounded network to predict as the dense one does."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcomp.codec.levels import FewValued, negatives
from jaxcomp.compression.calibration import Calibration, losses_of
from jaxcomp.quantize.codebook import nearest

PyTree = Any
_RATE = 3e-3  # learning rate of Adam, in units of the mean magnitude of an array
_SIGNIFICANT = 12  # bits of a step; its other bits are zeros, which take nothing
_LEAST_SIZE = 1e-3  # least magnitude, for arrays such as one of zeros


class TrainedPart(NamedTuple):
    """Holds the part of a network that is trained: rounded weights, and other arrays."""

    weights: Mapping[str, FewValued]  # weights whose codebooks are trained
    others: Mapping[str, np.ndarray]


def tune(
    calibration: Calibration,
    params: PyTree,
    rounded: TrainedPart,
    assemble: Callable[[Mapping[str, Any]], PyTree],
    steps: int,
) -> TrainedPart:
    """Return the network with trained codebooks and other arrays; levels stay as they are.

    Each step uses one of the batches that are not held out. The steps of slices share one factor,
    and so do symmetric values.

    Args:
      calibration: the network and its inputs.
      params: parameters before rounding.
      rounded: arrays to train, by name.
      assemble: function from arrays by name to parameters.
      steps: number of steps of Adam, whose learning rate falls to zero.
    """
    levels = {name: jnp.asarray(one.levels) for name, one in rounded.weights.items()}
    below = {name: negatives(one.codebook) for name, one in rounded.weights.items()}
    start = {name: one.codebook for name, one in rounded.weights.items()} | dict(rounded.others)
    sizes = {
        name: max(float(np.abs(array.astype(np.float64)).mean()), _LEAST_SIZE)
        for name, array in rounded.others.items()
    }

    def moved(name: str, change: jax.Array) -> jax.Array:
        own = jnp.asarray(start[name], jnp.float32)
        return own + sizes[name] * change if name in sizes else own * (1 + change)

    def arrays(changes: Mapping[str, jax.Array], levels: Mapping[str, jax.Array]) -> PyTree:
        found = {}
        for name, change in changes.items():
            new = moved(name, change)
            if name in levels and new.ndim == 1:
                new = new[levels[name].astype(int) + below[name]]
            elif name in levels:
                new = new * levels[name].astype(new.dtype)
            found[name] = new.astype(start[name].dtype)
        return assemble(found)

    each = losses_of(calibration)
    optimizer = optax.adam(optax.linear_schedule(_RATE, 0.0, steps))

    @jax.jit
    def step(changes: Any, state: Any, levels: Any, inputs: Any, targets: Any) -> Any:
        outputs = calibration.apply(params, *inputs)

        def loss(changes: Any) -> jax.Array:
            return jnp.mean(each(outputs, arrays(changes, levels), inputs, targets))

        updates, state = optimizer.update(jax.grad(loss)(changes), state)
        return optax.apply_updates(changes, updates), state

    changes = {
        name: jnp.zeros(array.shape if name in sizes or _is_free(array) else ())
        for name, array in start.items()
    }
    state = optimizer.init(changes)
    with jax.numpy_dtype_promotion("standard"):  # Adam mixes a Python number with an array of JAX
        for number in range(steps):
            pair = calibration.fitted[number % len(calibration.fitted)]
            changes, state = step(changes, state, levels, *pair)
    after = {name: np.asarray(moved(name, change)) for name, change in changes.items()}
    return TrainedPart(
        {
            name: _with_codebook(one, _shortened(after[name]).astype(one.codebook.dtype))
            for name, one in rounded.weights.items()
        },
        {name: after[name].astype(array.dtype) for name, array in rounded.others.items()},
    )


def _is_free(codebook: np.ndarray) -> bool:
    """Tell whether each value has its own factor: not those of a step, or of -c, 0 and c."""
    return codebook.ndim == 1 and not np.array_equal(codebook, -codebook[::-1])


def _with_codebook(one: FewValued, codebook: np.ndarray) -> FewValued:
    if codebook.ndim != 1:
        return one._replace(codebook=codebook)
    values = codebook[one.levels.astype(np.intp) + negatives(one.codebook)]
    return nearest(values, np.unique(values))  # some values may have become equal


def _shortened(numbers: np.ndarray) -> np.ndarray:
    """Return numbers of few digits near these."""
    parts, exponents = np.frexp(numbers.astype(np.float64))
    return np.ldexp(np.rint(parts * 2**_SIGNIFICANT) / 2**_SIGNIFICANT, exponents)
