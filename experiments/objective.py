"""Image classification: what is minimised, and what is measured."""

from collections.abc import Callable
from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from jaxcomp.data import Examples
from jaxcomp.losses import distillation

PyTree = Any
Apply = Callable[..., jax.Array]


def cross_entropy(apply: Apply) -> Callable[[PyTree, Examples], jax.Array]:
    """The mean cross-entropy, in nats, of a Linen model's `apply` on a batch."""

    def loss(params: PyTree, batch: Examples) -> jax.Array:
        logits = apply({"params": params}, batch.images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    return loss


def classification_loss(
    apply: Apply, teacher: PyTree | None, distill: ConfigDict, *, dropout: bool
) -> Callable[[PyTree, Examples, jax.Array], jax.Array]:
    """The mean cross-entropy, in nats, with the labels and with what a teacher says.

    Args:
      apply: of the model.
      teacher: parameters of the network to learn from beside the labels, or None.
      distill: `weight` of the teacher, in [0, 1], that of the labels being the rest, and
        `temperature`.
      dropout: whether units are dropped.

    Returns:
      A function of parameters, a batch, and the key of the units to drop.
    """

    def loss(params: PyTree, batch: Examples, key: jax.Array) -> jax.Array:
        logits = apply({"params": params}, batch.images, dropout=dropout, rngs={"dropout": key})
        labels = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()
        if teacher is None:
            return labels
        given = apply({"params": teacher}, batch.images)
        taught = distillation(logits, given, distill.temperature).mean()
        return (1 - distill.weight) * labels + distill.weight * taught

    return loss


def classification_metrics(apply: Apply) -> Callable[[PyTree, Examples], dict[str, jax.Array]]:
    """For each example of a batch: accuracy (0 or 1), compiled."""

    @jax.jit
    def metrics(params: PyTree, batch: Examples) -> dict[str, jax.Array]:
        logits = apply({"params": params}, batch.images)
        return {"accuracy": logits.argmax(axis=-1) == batch.labels}

    return metrics
