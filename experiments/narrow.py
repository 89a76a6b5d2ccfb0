"""Training without units: in place of a network whose units are dead, the smaller one."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flax import linen as nn
from ml_collections import ConfigDict

from experiments.layers import CHAINS, LAYERS, input_units
from experiments.networks import trained_model
from jaxcomp.models import unit_statistics
from jaxcomp.prune import expand, first_units, live_units, remove_dead_units, shrink
from jaxcomp.prune.shrink import Live

PyTree = Any


def _same(params: PyTree) -> PyTree:
    return params


class Narrow(NamedTuple):
    """A network with fewer units, or the same where none can be taken out."""

    model: nn.Module
    small: Callable[[PyTree], PyTree] = _same  # from parameters, or masks, of the whole network
    whole: Callable[[PyTree], PyTree] = _same  # and back, with zeros


def of_widths(config: ConfigDict, like: PyTree) -> Narrow:
    """With the first `prune.widths` units of each layer, of a network with parameters `like`."""
    if not config.prune.widths:
        return Narrow(trained_model(config))
    return _of(config, first_units(like, LAYERS[config.model], config.prune.widths), like)


def of_live_units(config: ConfigDict, params: PyTree) -> Narrow:
    """With the units of these parameters that are used."""
    if config.model not in CHAINS:
        return Narrow(trained_model(config))
    return _of(config, live_units(params, LAYERS[config.model]), params)


def without_dead_units(config: ConfigDict, params: PyTree, image: tuple[int, ...]) -> PyTree:
    """Settled parameters with zeros for units that cannot matter, for images of this shape.

    They are as they are where the layers of the model are not in `LAYERS`.
    """
    if config.model not in LAYERS:
        return params
    layers, stats = LAYERS[config.model], unit_statistics(params)
    inputs = input_units(layers, image)
    return remove_dead_units(params, layers, inputs=inputs, batch_stats=stats).params


def _of(config: ConfigDict, live: Mapping[str, Live], like: PyTree) -> Narrow:
    *widths, _ = (len(units.outputs) for units in live.values())
    return Narrow(
        trained_model(config, widths=tuple(widths)),
        lambda params: shrink(params, live),
        lambda params: expand(params, live, like),
    )
