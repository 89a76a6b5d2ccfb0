"""Image classification: what is minimised, and what is measured."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxcomp.data import Examples

PyTree = Any
Apply = Callable[[dict[str, PyTree], jax.Array], jax.Array]


def cross_entropy(apply: Apply) -> Callable[[PyTree, Examples], jax.Array]:
    """The mean cross-entropy, in nats, of a Linen model's `apply` on a batch."""

    def loss(params: PyTree, batch: Examples) -> jax.Array:
        logits = apply({"params": params}, batch.images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    return loss


def classification_metrics(apply: Apply) -> Callable[[PyTree, Examples], dict[str, jax.Array]]:
    """For each example of a batch: accuracy (0 or 1), compiled."""

    @jax.jit
    def metrics(params: PyTree, batch: Examples) -> dict[str, jax.Array]:
        logits = apply({"params": params}, batch.images)
        return {"accuracy": logits.argmax(axis=-1) == batch.labels}

    return metrics
