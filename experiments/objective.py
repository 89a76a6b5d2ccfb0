"""Image classification: what is minimised, and what is measured."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from jaxcomp.data import Examples, batches
from jaxcomp.losses import distillation

PyTree = Any
Apply = Callable[..., jax.Array]

EVALUATION_BATCH = 1_000


def cross_entropy(apply: Apply) -> Callable[[PyTree, Examples], jax.Array]:
    """The mean cross-entropy, in nats, of a Linen model's `apply` on a batch."""

    def loss(params: PyTree, batch: Examples) -> jax.Array:
        logits = apply({"params": params}, batch.images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    return loss


class Taught(NamedTuple):
    """Examples with what a teacher says of them; also the type of a batch."""

    images: np.ndarray  # float32 [n, height, width, channels]
    labels: np.ndarray  # int32 [n]
    logits: np.ndarray  # float32 [n, classes], of the teacher


def taught(apply: Apply, teacher: PyTree, examples: Examples) -> Taught:
    """The examples with the logits of a model's `apply` with the teacher's parameters."""
    logits = jax.jit(lambda images: apply({"params": teacher}, images))
    given = [logits(batch.images) for batch in batches(examples, EVALUATION_BATCH)]
    return Taught(*examples, np.concatenate(given))


def classification_loss(
    apply: Apply, distill: ConfigDict, *, dropout: bool
) -> Callable[[PyTree, Examples | Taught, jax.Array], jax.Array]:
    """The mean cross-entropy, in nats, with the labels and with what a teacher says.

    Args:
      apply: of the model.
      distill: where there is a teacher, its `weight` in [0, 1], that of the labels being the rest,
        and its `temperature`.
      dropout: whether units are dropped.

    Returns:
      A function of parameters, a batch, and the key of the units to drop.
    """

    def loss(params: PyTree, batch: Examples | Taught, key: jax.Array) -> jax.Array:
        logits = apply({"params": params}, batch.images, dropout=dropout, rngs={"dropout": key})
        labels = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()
        if not isinstance(batch, Taught):
            return labels
        from_teacher = distillation(logits, batch.logits, distill.temperature).mean()
        return (1 - distill.weight) * labels + distill.weight * from_teacher

    return loss


def classification_metrics(apply: Apply) -> Callable[[PyTree, Examples], dict[str, jax.Array]]:
    """For each example of a batch: accuracy (0 or 1), compiled."""

    @jax.jit
    def metrics(params: PyTree, batch: Examples) -> dict[str, jax.Array]:
        logits = apply({"params": params}, batch.images)
        return {"accuracy": logits.argmax(axis=-1) == batch.labels}

    return metrics
