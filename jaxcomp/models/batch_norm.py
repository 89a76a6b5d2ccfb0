"""Running statistics of batch normalization merged into its scale and bias.

A file then needs the parameters alone: with the fixed statistics `mean = 0`, `var = 1 - epsilon`,
whose normalization is the identity, the network computes the same.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

PyTree = Any


def merge_batch_norm(params: PyTree, batch_stats: PyTree, *, epsilon: float = 1e-5) -> PyTree:
    r"""Parameters that compute with `unit_statistics` what `params` compute with `batch_stats`.

    $\gamma' = \gamma / \sqrt{v + \epsilon}$ and $\beta' = \beta - \gamma' m$ for scale $\gamma$,
    bias $\beta$, running mean $m$ and variance $v$.

    Args:
      params: nested dict of arrays, as Linen makes it.
      batch_stats: `mean` and `var` [channels] for each `scale` [channels], nested like `params`;
        anything where there is none.
      epsilon: that of the normalization.

    Returns:
      Parameters of the same structure and shapes.

    Raises:
      KeyError: if the statistics of a layer, or its bias, are missing; names it.
    """
    return _merged(params, batch_stats, epsilon, ())


def unit_statistics(params: PyTree, *, epsilon: float = 1e-5) -> PyTree:
    """Statistics that normalize by nothing: mean 0 and variance `1 - epsilon`.

    Args:
      params: nested dict of arrays, or of `jax.ShapeDtypeStruct`, as Linen makes it.
      epsilon: that of the normalization.

    Returns:
      `{"mean": [channels], "var": [channels]}` for each `scale` [channels] of `params`, nested as
      Linen nests `batch_stats`; `{}` if there is none.
    """
    if _is_norm(params):
        shape, dtype = params["scale"].shape, params["scale"].dtype
        return {"mean": jnp.zeros(shape, dtype), "var": jnp.full(shape, 1 - epsilon, dtype)}
    children = {
        name: unit_statistics(child, epsilon=epsilon)
        for name, child in params.items()
        if isinstance(child, Mapping)
    }
    return {name: child for name, child in children.items() if child}


def _merged(params: PyTree, stats: PyTree, epsilon: float, path: tuple[str, ...]) -> PyTree:
    if not isinstance(params, Mapping):
        return params
    if not _is_norm(params):
        return {
            name: _merged(child, _child(stats, name), epsilon, (*path, name))
            for name, child in params.items()
        }
    for leaves, needed in ((stats, ("mean", "var")), (params, ("bias",))):
        if missing := [name for name in needed if name not in leaves]:
            raise KeyError(f"{'/'.join(path)} has a scale but no {' nor '.join(missing)}")
    scale = params["scale"] / jnp.sqrt(stats["var"] + epsilon)
    return {**params, "scale": scale, "bias": params["bias"] - stats["mean"] * scale}


def _child(stats: PyTree, name: str) -> PyTree:
    return stats.get(name, {}) if isinstance(stats, Mapping) else {}


def _is_norm(node: PyTree) -> bool:
    return getattr(node.get("scale"), "ndim", None) == 1
