"""Training without units: in place of a network whose units are dead, the smaller one."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flax import linen as nn
from ml_collections import ConfigDict

import jaxcomp
from experiments import feed
from experiments.networks import SettingError, trained_model
from experiments.objective import variables
from jaxcomp.models import MODELS
from jaxcomp.prune import Live, expand, first_units, live_units, remove_dead_units, shrink
from jaxcomp.tracing import Network, NotAChainError

PyTree = Any


def _same(params: PyTree) -> PyTree:
    return params


class Narrow(NamedTuple):
    """A network with fewer units, or the same where none can be taken out."""

    model: nn.Module
    small: Callable[[PyTree], PyTree] = _same  # from parameters, or masks, of the whole network
    whole: Callable[[PyTree], PyTree] = _same  # and back, with zeros


def traced(config: ConfigDict, params: PyTree, examples: feed.Data) -> Network:
    """Trace the network that settled parameters are judged by."""
    model = MODELS[config.model]()
    return jaxcomp.trace(
        lambda params, inputs: model.apply(variables(params), inputs),
        params,
        feed.one_input(examples),
    )


def of_widths(config: ConfigDict, params: PyTree, network: Network) -> Narrow:
    """Return the network with the first `prune.widths` units of each layer.

    Raises:
      SettingError: if its units cannot be left out, or the widths do not fit.
    """
    if not config.prune.widths:
        return Narrow(trained_model(config))
    try:
        return _of(config, first_units(network, config.prune.widths), params)
    except ValueError as error:
        raise SettingError(f"prune.widths={config.prune.widths}: {error}") from error


def of_live_units(config: ConfigDict, params: PyTree, network: Network) -> Narrow:
    """Return the network with the units of these parameters that are used."""
    try:
        return _of(config, live_units(params, network), params)
    except NotAChainError:
        return Narrow(trained_model(config))  # units that are joined are trained as zeros


def without_dead_units(params: PyTree, network: Network) -> PyTree:
    """Return settled parameters with zeros for units that cannot matter."""
    return remove_dead_units(params, network).params


def _of(config: ConfigDict, live: Live, like: PyTree) -> Narrow:
    return Narrow(
        trained_model(config, widths=live.widths),
        lambda params: shrink(params, live),
        lambda params: expand(params, live, like),
    )
