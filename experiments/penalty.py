"""The penalty of a configuration: what it adds to the optimizer, and what it trains."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from ml_collections import ConfigDict

import jaxcomp
from jaxcomp.losses import GROUPS, PENALTIES, gate, open_gates, sample_gates
from jaxcomp.prox import PROXES

PyTree = Any

GATES = "l0_hard_concrete"
PROX = "prox_"  # before the name of a proximal operator, which is applied in Adam's metric
# The ternary gap is a phase of its own.
NAMES = (
    "none",
    *(name for name in PENALTIES if name != "ternary_gap"),
    *(PROX + name for name in PROXES),
)
GROUP_NAMES = ("none", *GROUPS)


def _same(params: PyTree) -> PyTree:
    return params


class Method(NamedTuple):
    """How a penalty takes part in training."""

    before: optax.GradientTransformation  # stands before the optimizer
    optimizer: Callable[[optax.Schedule], optax.GradientTransformation] = optax.adam
    start: Callable[[PyTree], PyTree] = _same  # from parameters to what is trained
    # From what is trained and a random key to parameters, at each step; and in the end.
    sample: Callable[[PyTree, jax.Array], PyTree] = lambda trained, key: trained
    end: Callable[[PyTree], PyTree] = _same


def method_of(settings: ConfigDict) -> Method:
    """`weight * P`, with the magnitude term of the ratio, and `l2 * ||w||^2 / 2` beside it."""
    ridge = jaxcomp.add_penalty("l2", settings.l2) if settings.l2 else optax.identity()
    name, weight = settings.name, settings.weight
    groups = None if settings.groups == "none" else settings.groups
    if name == "none":
        return Method(ridge)
    if name.startswith(PROX):
        return Method(
            ridge,
            optimizer=lambda rate: jaxcomp.apply_preconditioned_prox(
                optax.adam(rate), name.removeprefix(PROX), weight, rate
            ),
        )
    if name == GATES:
        gates = jaxcomp.add_penalty(GATES, weight)
        return Method(optax.chain(gates, ridge), start=gate, sample=sample_gates, end=open_gates)
    if name == "l1_over_l2" and groups is None:
        penalty = jaxcomp.add_compressibility(
            weight, scope=settings.scope, magnitude=settings.magnitude
        )
    else:
        penalty = jaxcomp.add_penalty(name, weight, scope=settings.scope, groups=groups)
    return Method(optax.chain(penalty, ridge))
