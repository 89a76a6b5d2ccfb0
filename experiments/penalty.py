"""The penalty of a configuration: what it adds to the optimizer, and what it trains."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from ml_collections import ConfigDict

import jaxcomp
from experiments.optimizers import OPTIMIZERS, Optimizer
from jaxcomp.losses import GROUPS, PENALTIES, gate
from jaxcomp.parametrized import values
from jaxcomp.prox import PROXES

PyTree = Any

GATES = "l0_hard_concrete"
PROX = "prox_"  # before the name of a proximal operator
# The ternary gap is a phase of its own.
NAMES = (
    "none",
    *(name for name in PENALTIES if name != "ternary_gap"),
    *(PROX + name for name in PROXES),
)
GROUP_NAMES = ("none", *GROUPS)


def _same(params: PyTree) -> PyTree:
    return params


def coupled(
    *penalties: optax.GradientTransformation, by: Optimizer = OPTIMIZERS["adam"]
) -> Optimizer:
    """An optimizer that sees the penalties, as a part of the loss."""
    return lambda rate: optax.chain(*penalties, by(rate))


def with_l2(strength: float, by: Optimizer = OPTIMIZERS["adam"]) -> Optimizer:
    """An optimizer of the loss with `strength * ||w||^2 / 2`."""
    return coupled(*([jaxcomp.add_penalty("l2", strength)] if strength else []), by=by)


class Method(NamedTuple):
    """How a penalty takes part in training."""

    optimizer: Optimizer = coupled()  # with the penalty
    start: Callable[[PyTree], PyTree] = _same  # from parameters to what is trained
    # From what is trained and a random key to parameters, at each step; and in the end.
    sample: Callable[[PyTree, jax.Array], PyTree] = lambda trained, key: trained
    end: Callable[[PyTree], PyTree] = _same


def method_of(settings: ConfigDict, by: Optimizer = OPTIMIZERS["adam"]) -> Method:
    """`weight * P`, with the magnitude term of the ratio, and `l2 * ||w||^2 / 2` beside it.

    Args:
      settings: the penalty's part of a configuration.
      by: the optimizer; what is decoupled from it, or knows its metric, needs Adam.
    """
    ridge = jaxcomp.add_penalty("l2", settings.l2) if settings.l2 else optax.identity()
    name, weight = settings.name, settings.weight
    if name.startswith(PROX):
        return Method(_with_prox(name.removeprefix(PROX), weight, ridge, settings.decoupled, by))
    penalty = _penalty_of(settings)

    def optimizer(rate: optax.Schedule) -> optax.GradientTransformation:
        if settings.decoupled:
            scale = optax.scale_by_learning_rate(rate)
            return optax.chain(ridge, optax.scale_by_adam(), penalty, scale)
        return coupled(penalty, ridge, by=by)(rate)

    if name == GATES:
        return Method(optimizer, start=gate, sample=values, end=values)
    return Method(optimizer)


def _penalty_of(settings: ConfigDict) -> optax.GradientTransformation:
    name, weight = settings.name, settings.weight
    groups = None if settings.groups == "none" else settings.groups
    if name == "none":
        return optax.identity()
    if name == GATES:
        return jaxcomp.add_penalty(GATES, weight)
    if name == "l1_over_l2" and groups is None:
        return jaxcomp.add_compressibility(
            weight, scope=settings.scope, magnitude=settings.magnitude
        )
    return jaxcomp.add_penalty(name, weight, scope=settings.scope, groups=groups)


def _with_prox(
    prox: str,
    weight: float,
    ridge: optax.GradientTransformation,
    decoupled: bool,
    by: Optimizer,
) -> Optimizer:
    def optimizer(rate: optax.Schedule) -> optax.GradientTransformation:
        if decoupled:
            return optax.chain(coupled(ridge, by=by)(rate), jaxcomp.apply_prox(prox, weight, rate))
        return optax.chain(ridge, jaxcomp.prox_adam(prox, weight, rate))

    return optimizer
