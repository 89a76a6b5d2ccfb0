"""One matrix in the layouts of frameworks and networks, and a network that says what they are."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcomp.axes import Axes


class Parameter(NamedTuple):
    """What a network that was traced knows of a parameter."""

    use: str
    axes: Axes | None
    reason: str = "a fake of tests"


class Network(NamedTuple):
    """In the place of one that was traced."""

    parameters: dict


def network(**axes):
    """A network of dense layers, each with a kernel of these axes."""
    return Network({f"{name}/kernel": Parameter("dense", own) for name, own in axes.items()})


class Form(NamedTuple):
    """How a matrix [4 inputs, 6 outputs] is stored, and what tells that."""

    store: Callable
    restore: Callable
    source: dict


def _traced(shape, axes):
    """A matrix in an array of this shape, whose axes in their order are inputs and outputs."""
    order = axes.inputs + axes.outputs
    return Form(
        lambda m: jnp.transpose(m.reshape([shape[a] for a in order]), np.argsort(order)),
        lambda w: np.transpose(w, order).reshape(4, 6),
        {"network": network(layer=axes)},
    )


FORMS = {
    "flax": Form(lambda m: m, np.asarray, {}),
    "torch": Form(lambda m: m.T, lambda w: np.asarray(w).T, {"layout": "torch"}),
    "attention, [d, heads, features]": _traced((4, 2, 3), Axes((0,), (1, 2))),
    "attention, [heads, features, d]": _traced((2, 2, 6), Axes((0, 1), (2,))),
    "outputs around inputs": _traced((2, 4, 3), Axes((1,), (0, 2))),
}


def tree(kernel):
    """Parameters with one kernel."""
    return {"layer": {"kernel": kernel}}
