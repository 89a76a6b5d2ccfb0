"""Merges the running statistics of batch normalization into its scale and bias.

A file then needs the parameters alone: the network computes the same with the fixed statistics
`mean = 0` and `var = 1 - epsilon`, whose normalization is the identity.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

PyTree = Any


def merge_batch_norm(params: PyTree, batch_stats: PyTree, *, epsilon: float = 1e-5) -> PyTree:
    r"""Return parameters that need `unit_statistics` alone, where `params` need `batch_stats`.

    They are :math:`\gamma' = \gamma / \sqrt{v + \epsilon}` and
    :math:`\beta' = \beta - \gamma' m` for scale :math:`\gamma`, bias :math:`\beta`, running mean
    `m` and variance `v`.

    Args:
      params: nested dict of arrays, as made by Linen.
      batch_stats: `mean` and `var` [channels] for each `scale` [channels], nested like `params`;
        anything where there is no scale.
      epsilon: the number that the normalization adds to the variance.

    Returns:
      Parameters of the same structure and shapes.

    Raises:
      KeyError: if the statistics of a layer, or its bias, are missing; the message names it.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.models import merge_batch_norm
      >>> params = {"norm": {"scale": jnp.array([6.0]), "bias": jnp.array([1.0])}}
      >>> stats = {"norm": {"mean": jnp.array([0.5]), "var": jnp.array([4.0])}}
      >>> merged = merge_batch_norm(params, stats)["norm"]
      >>> round(float(merged["scale"][0]), 3), round(float(merged["bias"][0]), 3)
      (3.0, -0.5)
    """
    return _merged(params, batch_stats, epsilon, ())


def unit_statistics(params: PyTree, *, epsilon: float = 1e-5) -> PyTree:
    """Return statistics that do not normalize: mean 0 and variance `1 - epsilon`.

    Args:
      params: nested dict of arrays, or of `jax.ShapeDtypeStruct`, as made by Linen.
      epsilon: the number that the normalization adds to the variance.

    Returns:
      A dict of `mean` and `var`, both [channels], for each `scale` [channels] of `params`, nested
      as Linen nests `batch_stats`; an empty dict if there is no scale.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.models import unit_statistics
      >>> params = {"norm": {"scale": jnp.ones(3), "bias": jnp.ones(3)}}
      >>> unit_statistics(params)["norm"]["mean"].shape
      (3,)
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
