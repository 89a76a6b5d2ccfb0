"""The optimizers that a configuration can name."""

from functools import partial

import optax

from jaxcomp.recipe.phase import Optimizer

# By the name that a configuration gives.
OPTIMIZERS: dict[str, Optimizer] = {
    "adam": optax.adam,
    "sgd": partial(optax.sgd, momentum=0.9, nesterov=True),
}
