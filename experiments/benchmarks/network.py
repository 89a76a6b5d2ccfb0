"""A network as benchmarks train it: what it starts from, and what is minimized."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax

PyTree = Any


class Start(NamedTuple):
    """Hold what a training begins with."""

    params: PyTree
    others: PyTree  # variables that are not trained, such as running statistics
    # From parameters, these, and a batch of images and labels to the loss, and these moved on.
    loss: Callable[[PyTree, PyTree, tuple], tuple[jax.Array, PyTree]]


def start(model: nn.Module, images: np.ndarray | jax.Array) -> Start:
    """Initial variables, and the mean cross-entropy; models with batch norm are told to train."""
    shapes = jax.eval_shape(model.init, jax.random.key(1), images)
    how = {"train": True} if "batch_stats" in shapes else {}
    variables = jax.jit(lambda images: model.init(jax.random.key(1), images, **how))(images)
    params = variables.pop("params")

    def loss(params: PyTree, others: PyTree, batch: tuple) -> tuple[jax.Array, PyTree]:
        images, labels = batch
        logits, others = model.apply(
            {"params": params, **others}, images, **how, mutable=list(others)
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), others

    return Start(params, variables, loss)
