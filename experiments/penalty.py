"""The penalty of a configuration, as what stands before the optimizer."""

import optax
from ml_collections import ConfigDict

import jaxcomp
from jaxcomp.losses import GROUPS, PENALTIES

# The gates of l0 are parameters of their own, and the gap is a phase of its own.
NAMES = ("none", *(name for name in PENALTIES if name not in ("l0_hard_concrete", "ternary_gap")))
GROUP_NAMES = ("none", *GROUPS)


def penalty_of(settings: ConfigDict) -> optax.GradientTransformation:
    """`weight * P`, with the magnitude term of the ratio, and `l2 * ||w||^2 / 2` beside it."""
    ridge = jaxcomp.add_penalty("l2", settings.l2) if settings.l2 else optax.identity()
    if settings.name == "none":
        return ridge
    if settings.name == "l1_over_l2" and settings.groups == "none":
        penalty = jaxcomp.add_compressibility(
            settings.weight, scope=settings.scope, magnitude=settings.magnitude
        )
    else:
        groups = None if settings.groups == "none" else settings.groups
        penalty = jaxcomp.add_penalty(
            settings.name, settings.weight, scope=settings.scope, groups=groups
        )
    return optax.chain(penalty, ridge)
