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
    kernels, positions = _chain(params, layers)
    outputs = []
    for after, places in zip(list(kernels.values())[1:], positions, strict=True):
        used = after.any(axis=(*range(after.ndim - 2), -1)).reshape(places, -1).any(axis=0)
        used[0] |= not used.any()
        outputs.append(np.flatnonzero(used))
    return _live(kernels, positions, outputs)


def first_units(
    params: Mapping[str, Any], layers: Sequence[Layer], widths: Sequence[int]
) -> dict[str, Live]:
    """The first units of each hidden layer, `widths[i]` of the i-th; see `live_units`.

    Raises:
      ValueError: also if there is not one width for each hidden layer, from 1 to its units.
    """
    kernels, positions = _chain(params, layers)
    units = [kernel.shape[-1] for kernel in kernels.values()][:-1]
    if len(widths) != len(units) or any(
        not 1 <= width <= most for width, most in zip(widths, units, strict=True)
    ):
        raise ValueError(
            f"widths {tuple(widths)} must be one for each hidden layer, from 1 to {tuple(units)}"
        )
    return _live(kernels, positions, [np.arange(width) for width in widths])


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


def _chain(
    params: Mapping[str, Any], layers: Sequence[Layer]
) -> tuple[dict[str, np.ndarray], list[int]]:
    """Kernels by name; for each but the first, into how many inputs a unit before it is flattened.

    That is 1, or the number of places in the image.
    """
    kernels: dict[str, np.ndarray] = {}
    positions: list[int] = []
    places = 1
    for layer in layers:
        match layer:
            case Dense(name) | Conv(name):
                if kernels:
                    positions.append(places)
                kernels[name] = np.asarray(params[name]["kernel"])
                places = 1
            case Flatten(places):
                pass
            case Activation() | MaxPool() | AveragePool():
                pass
            case _:
                raise ValueError(f"units of a chain with {layer} cannot be taken out yet")
    return kernels, positions


def _live(
    kernels: Mapping[str, np.ndarray], positions: Sequence[int], outputs: Sequence[np.ndarray]
) -> dict[str, Live]:
    """From the units that stay of each hidden layer to those of all layers, with their inputs."""
    *hidden, last = kernels
    live: dict[str, Live] = {}
    inputs = np.arange(next(iter(kernels.values())).shape[-2])
    for name, places, stay in zip(hidden, positions, outputs, strict=True):
        live[name] = Live(inputs, stay)
        inputs = (np.arange(places)[:, None] * kernels[name].shape[-1] + stay).ravel()
    live[last] = Live(inputs, np.arange(kernels[last].shape[-1]))
    return live


def _places(array: Any, where: Live) -> tuple[Any, ...]:
    """The index of what stays of a kernel [..., in, out] or a bias [out]."""
    if np.ndim(array) == 1:
        return (where.outputs,)
    return (..., where.inputs[:, None], where.outputs)
