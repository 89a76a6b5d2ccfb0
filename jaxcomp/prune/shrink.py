"""Makes arrays smaller by the units that no weight leaves: the same function, in less time.

`jaxcomp.prune.remove_dead_units` writes zeros and keeps the shapes, so that any code can use the
result. The functions here change the shapes, to train or run a narrower network.
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
    """Lists the units of a chain of layers that stay.

    Example:
      >>> import numpy as np
      >>> live = Live((2,), {"in": {1: np.array([0, 2])}, "out": {0: np.array([0, 2])}})
      >>> shrink({"in": np.ones((4, 3)), "out": np.ones((3, 1))}, live)["in"].shape
      (4, 2)
    """

    widths: tuple[int, ...]  # numbers of units that stay in each hidden layer
    # For each parameter that loses entries, by name: the indices that stay, by axis.
    indices: Mapping[str, Mapping[int, np.ndarray]]


def live_units(params: PyTree, network: Network) -> Live:
    """Find the units of a chain of layers that the next layer uses.

    All inputs of the first layer and all outputs of the last one stay. Of a layer without used
    units one stays, so that no array is empty. A unit that emits a constant counts as used: call
    `remove_dead_units` first.

    Args:
      params: tree of arrays, as given to `jaxcomp.trace`.
      network: the result of `jaxcomp.trace` for it. Dense layers and convolutions must follow one
        another with nothing but activations, pooling and flattening between them.

    Raises:
      NotAChainError: if the layers are no such chain; the message names the obstacle.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxcomp
      >>> params = {"in": jnp.ones((4, 3)), "out": jnp.array([[1.0], [0.0], [2.0]])}
      >>> def apply(p, x):
      ...     return jnp.maximum(x @ p["in"], 0) @ p["out"]
      >>> live = live_units(params, jaxcomp.trace(apply, params, jnp.ones((1, 4))))
      >>> live.widths, shrink(params, live)["in"].shape
      ((2,), (4, 2))
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
    """Return the first `widths[i]` units of the i-th hidden layer, for each; see `live_units`.

    Args:
      network: the result of `jaxcomp.trace`, as for `live_units`.
      widths: one for each hidden layer.

    Raises:
      NotAChainError: as `live_units`.
      ValueError: if there is not one width for each hidden layer, from 1 to its number of units.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxcomp
      >>> params = {"in": jnp.ones((4, 3)), "out": jnp.ones((3, 1))}
      >>> network = jaxcomp.trace(lambda p, x: x @ p["in"] @ p["out"], params, jnp.ones((1, 4)))
      >>> narrow = shrink(params, first_units(network, [2]))
      >>> narrow["in"].shape, narrow["out"].shape
      ((4, 2), (2, 1))
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
    """Return the parameters, in NumPy, without the units that do not stay.

    Args:
      params: tree of arrays, or of masks of the same structure. Leaves that lose nothing are
        returned as they are.
      live: the units that stay, from `live_units` or `first_units`.

    Example:
      >>> import numpy as np
      >>> live = Live((1,), {"in": {1: np.array([2])}, "out": {0: np.array([2])}})
      >>> small = shrink({"in": np.arange(6).reshape(2, 3), "out": np.ones((3, 1))}, live)
      >>> small["in"].tolist(), small["out"].tolist()
      ([[2], [5]], [[1.0]])
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
    """Invert `shrink`: return arrays in the shapes of `like`, with zeros for missing units.

    Args:
      params: tree of arrays that `shrink` returned.
      live: the units that stayed.
      like: tree of arrays with the shapes and types of the result.

    Example:
      >>> import numpy as np
      >>> live = Live((1,), {"in": {1: np.array([2])}})
      >>> expand({"in": np.array([[2], [5]])}, live, like={"in": np.zeros((2, 3))})["in"].tolist()
      [[0.0, 0.0, 2.0], [0.0, 0.0, 5.0]]
    """

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
    """Return the index of the entries that stay."""
    return np.ix_(*(by_axis.get(a, np.arange(size)) for a, size in enumerate(np.shape(array))))
