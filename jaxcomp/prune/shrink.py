"""Smaller arrays without the units that no weight leaves: the same function, in less time.

Where `jaxcomp.prune.remove_dead_units` writes zeros and keeps the shapes, so that any code can use
the result, this changes the shapes: for training on, or for inference with a narrower network.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.prune.dead_units import Activation, AveragePool, Conv, Dense, Flatten, Layer, MaxPool

PyTree = Any


class Live(NamedTuple):
    """The units of one layer that stay, as indices."""

    inputs: np.ndarray  # int [inputs that stay]
    outputs: np.ndarray  # int [outputs that stay]


def live_units(params: Mapping[str, Any], layers: Sequence[Layer]) -> dict[str, Live]:
    """Which units of a chain of layers are used by the next layer.

    All inputs of the first layer and all outputs of the last one stay, and one unit of a layer that
    has no used one, so that no array is empty. A unit that emits a constant counts as used: call
    `remove_dead_units` first.

    Args:
      params: dict of the layers' parameters, as Linen makes it.
      layers: dense layers and convolutions in order, with what stands between them.

    Returns:
      For each dense layer and convolution, by its name.

    Raises:
      ValueError: if a layer is of another kind, such as `BatchNorm` or `Residual`.
    """
    kernels: list[tuple[str, np.ndarray]] = []
    positions: list[int] = []  # for each kernel but the first: what a flattening before it sees
    for layer in layers:
        match layer:
            case Dense(name) | Conv(name):
                kernels.append((name, np.asarray(params[name]["kernel"])))
                positions.append(1)
            case Flatten(count):
                positions[-1] = count
            case Activation() | MaxPool() | AveragePool():
                pass
            case _:
                raise ValueError(f"units of a chain with {layer} cannot be taken out yet")
    live: dict[str, Live] = {}
    inputs = np.arange(kernels[0][1].shape[-2])
    for (name, kernel), (_, after), places in zip(kernels, kernels[1:], positions, strict=False):
        used = after.any(axis=(*range(after.ndim - 2), -1)).reshape(places, -1).any(axis=0)
        used[0] |= not used.any()
        outputs = np.flatnonzero(used)
        live[name] = Live(inputs, outputs)
        inputs = (np.arange(places)[:, None] * kernel.shape[-1] + outputs).ravel()
    name, kernel = kernels[-1]
    live[name] = Live(inputs, np.arange(kernel.shape[-1]))
    return live


def shrink(params: Mapping[str, Any], live: Mapping[str, Live]) -> dict[str, Any]:
    """The parameters without the other units, in numpy; layers that are not in `live` as they are.

    A tree of masks of the same structure can be given as well.
    """
    return {
        name: {leaf: np.asarray(array)[_places(array, live[name])] for leaf, array in of.items()}
        if name in live
        else of
        for name, of in params.items()
    }


def expand(
    params: Mapping[str, Any], live: Mapping[str, Live], like: Mapping[str, Any]
) -> dict[str, Any]:
    """The inverse of `shrink`: zeros in the shapes and types of `like` where there is no unit."""

    def filled(small: Any, large: Any, where: Live) -> np.ndarray:
        array = np.zeros(np.shape(large), np.asarray(large).dtype)
        array[_places(array, where)] = small
        return array

    return {
        name: {leaf: filled(small, like[name][leaf], live[name]) for leaf, small in of.items()}
        if name in live
        else of
        for name, of in params.items()
    }


def _places(array: Any, where: Live) -> tuple[Any, ...]:
    """The index of what stays of a kernel [..., in, out] or a bias [out]."""
    if np.ndim(array) == 1:
        return (where.outputs,)
    return (..., where.inputs[:, None], where.outputs)
