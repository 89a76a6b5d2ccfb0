"""Collects the moments of a network's inputs once, and writes them to a file."""

import os
from typing import Any

import numpy as np

from jaxcomp.compression.biases import Biases
from jaxcomp.compression.calibration import Calibration, Fidelity
from jaxcomp.compression.in_order import layers_of, sensitivities_of
from jaxcomp.compression.moments_file import Known, write_moments
from jaxcomp.compression.rounding import Curvature, curvature_of
from jaxcomp.quantize.factors import diagonal_of
from jaxcomp.quantize.scalar import bits_levels
from jaxcomp.tracing.moments import InputSums

PyTree = Any
_PROBES = (6, 5, 4, 3, 2)  # bits of each probe
_ENOUGH = 0.01  # loss of a probe that is far from rounding errors


def save_moments(
    path: str | os.PathLike, params: PyTree, calibration: Calibration, *, diagonal: bool = False
) -> None:
    """Run a network on examples, and write the moments that compression needs.

    `jaxcomp compress --moments` and `jaxcomp.compression.Moments` read the file.
    `jaxcomp.compression.moments_file` describes its layout, which other frameworks can write as
    well.

    Args:
      path: path of the `.npz` file to write.
      params: parameters of the network.
      calibration: the network and its inputs.
      diagonal: whether to write diagonals only, for layers too wide for matrices of [inputs,
        inputs] and [outputs, outputs].

    Raises:
      ValueError: if tracing understands no weight.

    Example:
      >>> import tempfile
      >>> import jax.numpy as jnp
      >>> import jaxcomp
      >>> params = {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros((1, 3))}
      >>> calibration = jaxcomp.Calibration(
      ...     lambda p, x: x @ p["kernel"] + p["bias"], [jnp.ones((5, 2)), jnp.zeros((5, 2))]
      ... )
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     save_moments(f"{folder}/moments.npz", params, calibration)
      ...     jaxcomp.compression.Moments(f"{folder}/moments.npz").names
      ('kernel',)
    """
    network = calibration.trace(params)
    leaves = [np.asarray(leaf) for leaf in network.leaves_of(params)]
    layers = layers_of(network)
    sensitivities = sensitivities_of(network, params, calibration)
    biases = Biases(network, leaves, frozenset(network.names))
    batches = [inputs for inputs, _ in calibration.fitted]
    sums = InputSums(network, diagonal=diagonal)(params, batches)
    known: dict[str, Known] = {}
    for leaf in sorted({*sums, *sensitivities.lookups}):
        means = sums[leaf].mean() if leaf in sums else None
        products = sensitivities.products.get(leaf)
        if diagonal and products is not None:
            products = diagonal_of(products)
        curvature = curvature_of(
            None if means is None else means.second, products, sensitivities.lookups.get(leaf)
        )
        bias = biases.only(leaf)
        known[network.names[leaf]] = Known(
            layers[leaf],
            curvature.second,
            curvature.sensitivities,
            None if bias is None or means is None else means.first,
            None if bias is None else network.names[bias],
        )
    if not known:
        raise ValueError(
            "no weight of the network is understood, so there are no moments:\n"
            + network.describe()
        )
    scale = _loss_of_one(network.names, leaves, known, Fidelity(calibration, params), network)
    write_moments(
        path,
        {
            name: one._replace(sensitivities=scale * one.sensitivities)
            for name, one in known.items()
        },
    )


def _loss_of_one(
    names: tuple[str, ...],
    leaves: list[np.ndarray],
    known: dict[str, Known],
    fidelity: Fidelity,
    network: Any,
) -> float:
    """Return the ratio of the loss to what the moments predict, found by rounding all weights."""
    for bits in _PROBES:
        rounded, predicted = [], 0.0
        for name, leaf in zip(names, leaves, strict=True):
            if name not in known:
                rounded.append(leaf)
                continue
            one = known[name]
            rounded.append(bits_levels(leaf, bits).values())
            error = one.layer.matrices(leaf.astype(np.float64) - rounded[-1])
            predicted += Curvature(one.second, one.sensitivities).loss(error)
        lost = fidelity(network.structure.unflatten(rounded))
        if lost >= _ENOUGH:
            break
    return lost / predicted if lost > 0 and predicted > 0 else 1.0
