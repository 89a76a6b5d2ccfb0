"""Smaller arrays without the units that no weight leaves: the same function, in less time.

Where `jaxcomp.prune.remove_dead_units` writes zeros and keeps the shapes, so that any code can use
the result, this changes the shapes: for training on, or for inference with a narrower network.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcomp.tracing import Network
from jaxcomp.tracing.chain import Layer, chain_of
from jaxcomp.trees import named_leaves, path_name

PyTree = Any


class Live(NamedTuple):
    """The units of a chain of layers that stay."""

    widths: tuple[int, ...]  # how many of each hidden layer
    # For each parameter that loses entries, by name: the indices that stay, by axis.
    indices: Mapping[str, Mapping[int, np.ndarray]]


def live_units(params: PyTree, network: Network) -> Live:
    """Find the units of a chain of layers that the next layer uses.

    All inputs of the first layer and all outputs of the last one stay, and one unit of a layer that
    has no used one, so that no array is empty. A unit that emits a constant counts as used: call
    `remove_dead_units` first.

    Args:
      params: tree of arrays, as given to `jaxcomp.trace`.
      network: what `jaxcomp.trace` returned for it. Dense layers and convolutions must follow one
        another with nothing but activations, pooling and flattening between them.

    Raises:
      NotAChainError: if the layers are no such chain; it names what is in the way.
    """
    network.leaves_of(params)
    layers, arrays = chain_of(network), named_leaves(params)
    stay = []
    for layer, after in itertools.pairwise(layers):
        kernel = np.asarray(arrays[after.kernel])
        others = tuple(axis for axis in range(kernel.ndim) if axis != after.inputs)
        (place,) = (p for p in layer.places if p.parameter == after.kernel)
        used = np.unique(place.units[kernel.any(axis=others)])
        stay.append(used if used.size else np.array([1]))
    return _live(layers, stay)


def first_units(network: Network, widths: Sequence[int]) -> Live:
    """Return the first units of each hidden layer, `widths[i]` of the i-th; see `live_units`.

    Raises:
      NotAChainError: as `live_units`.
      ValueError: if there is not one width for each hidden layer, from 1 to its units.
    """
    layers = chain_of(network)
    units = [layer.units for layer in layers[:-1]]
    if len(widths) != len(units) or any(
        not 1 <= width <= most for width, most in zip(widths, units, strict=True)
    ):
        raise ValueError(
            f"widths {tuple(widths)} must be one for each hidden layer, from 1 to {tuple(units)}"
        )
    return _live(layers, [np.arange(1, width + 1) for width in widths])


def shrink(params: PyTree, live: Live) -> PyTree:
    """Return the parameters without the other units, in numpy; other leaves as they are.

    A tree of masks of the same structure can be given as well.
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, array: (
            np.asarray(array)[_places(array, live.indices[path_name(path)])]
            if path_name(path) in live.indices
            else array
        ),
        params,
    )


def expand(params: PyTree, live: Live, like: PyTree) -> PyTree:
    """Invert `shrink`: zeros in the shapes and types of `like` where there is no unit."""

    def filled(path: tuple[Any, ...], small: Any, large: Any) -> Any:
        if path_name(path) not in live.indices:
            return small
        array = np.zeros(np.shape(large), np.asarray(large).dtype)
        array[_places(array, live.indices[path_name(path)])] = small
        return array

    return jax.tree_util.tree_map_with_path(filled, params, like)


def _live(layers: Sequence[Layer], stay: Sequence[np.ndarray]) -> Live:
    """Turn the units of each hidden layer that stay into indices of parameters that stay."""
    indices: dict[str, dict[int, np.ndarray]] = {}
    for layer, units in zip(layers, stay, strict=False):
        for place in layer.places:
            here = np.flatnonzero(np.isin(place.units, units))
            indices.setdefault(place.parameter, {})[place.axis] = here
    return Live(tuple(len(units) for units in stay), indices)


def _places(array: Any, by_axis: Mapping[int, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return the index of what stays."""
    return np.ix_(*(by_axis.get(a, np.arange(size)) for a, size in enumerate(np.shape(array))))
