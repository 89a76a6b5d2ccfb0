"""Training without units: in place of a network whose units are dead, the smaller one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flax import linen as nn

import jaxcomp
from experiments.settings.networks import NetworkSettings, SettingError
from experiments.training.objective import variables
from jaxcomp.data import Split
from jaxcomp.prune import Live, expand, first_units, live_units, shrink
from jaxcomp.tracing import Network, NotAChainError

PyTree = Any


def _same(params: PyTree) -> PyTree:
    return params


class Narrow(NamedTuple):
    """A network with fewer units, or the same where none can be taken out."""

    model: nn.Module
    small: Callable[[PyTree], PyTree] = _same  # from parameters, or masks, of the whole network
    whole: Callable[[PyTree], PyTree] = _same  # and back, with zeros


def traced(settings: NetworkSettings, params: PyTree, examples: Split) -> Network:
    """Trace the network that settled parameters are judged by."""
    model = settings.to_evaluate()
    return jaxcomp.trace(
        lambda params, inputs: model.apply(variables(params), inputs),
        params,
        examples.one_input(),
    )


def of_widths(
    settings: NetworkSettings, widths: Sequence[int], params: PyTree, network: Network
) -> Narrow:
    """Return the network with the first units of each layer, as many as `widths` say.

    Raises:
      SettingError: if its units cannot be left out, or the widths do not fit.
    """
    if not widths:
        return Narrow(settings.to_train())
    try:
        return _of(settings, first_units(network, widths), params)
    except ValueError as error:
        raise SettingError(f"prune.widths={widths}: {error}") from error


def of_live_units(settings: NetworkSettings, params: PyTree, network: Network) -> Narrow:
    """Return the network with the units of these parameters that are used.

    It is trained whole where it cannot be made with fewer units.
    """
    if not hasattr(settings.to_evaluate(), "widths"):
        return Narrow(settings.to_train())
    try:
        return _of(settings, live_units(params, network), params)
    except NotAChainError:
        return Narrow(settings.to_train())  # units that are joined are trained as zeros


def _of(settings: NetworkSettings, live: Live, like: PyTree) -> Narrow:
    return Narrow(
        settings.to_train(widths=live.widths),
        lambda params: shrink(params, live),
        lambda params: expand(params, live, like),
    )
