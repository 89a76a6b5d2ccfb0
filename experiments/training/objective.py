"""Classification: what is minimized, and what is measured."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.settings.settings import Distillation
from jaxcomp.data import Examples
from jaxcomp.models import merge_batch_norm, unit_statistics

PyTree = Any
Apply = Callable[..., jax.Array]

EVALUATION_BATCH = 1_000


def cross_entropy(apply: Apply) -> Callable[[PyTree, Examples], jax.Array]:
    """The mean cross-entropy, in nats, of a Linen model's `apply` on a batch."""

    def loss(params: PyTree, batch: Examples) -> jax.Array:
        logits = apply({"params": params}, batch.inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    return loss


class Network(NamedTuple):
    """Hold what a model computes with."""

    params: PyTree
    batch_stats: PyTree = None  # running statistics of batch norm, if there is any


def settled(network: Network) -> PyTree:
    """The parameters with the statistics merged into them: all that a trained network needs."""
    if network.batch_stats is None:
        return network.params
    return merge_batch_norm(network.params, network.batch_stats)


def variables(params: PyTree) -> dict[str, PyTree]:
    """Return what a Linen model is applied with, from settled parameters."""
    return {"params": params, "batch_stats": unit_statistics(params)}


class Beside(NamedTuple):
    """Hold what training carries from step to step beside the parameters."""

    batch_stats: PyTree = None  # of the network that is trained
    teacher: PyTree = None  # settled parameters of a teacher that is asked at each step


class Taught(NamedTuple):
    """Labels, and what a teacher says of the same inputs: the labels of `Examples` with both."""

    labels: np.ndarray
    logits: np.ndarray  # float32 [n, classes], or [n, length, classes], of the teacher


def taught(apply: Apply, teacher: PyTree, examples: Examples) -> Examples:
    """Return the examples with the logits of a model's `apply` with the teacher's parameters."""
    logits = jax.jit(lambda inputs: apply(variables(teacher), inputs))
    given = [logits(batch.inputs) for batch in examples.batches(EVALUATION_BATCH)]
    return Examples(examples.inputs, Taught(examples.labels, np.concatenate(given)))


def classification_loss(
    apply: Apply,
    distill: Distillation,
    *,
    dropout: bool = False,
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    ask: Apply | None = None,
) -> Callable[..., tuple[jax.Array, Beside]]:
    """The mean cross-entropy, in nats, with the labels and with what a teacher says.

    Args:
      apply: of the model.
      distill: where there is a teacher, its `weight` in [0, 1], that of the labels being the rest,
        and its `temperature`.
      dropout: whether units are dropped.
      augment: from a random key and images to images, such as `shift_and_flip`. A teacher that is
        asked at each step sees these.
      ask: `apply` of the teacher's model, if that is another one.

    Returns:
      A function of parameters, what is carried beside them, a batch, and a random key. It gives the
      loss, and what is carried on.
    """

    def loss(
        params: PyTree, beside: Beside, batch: Examples, key: jax.Array
    ) -> tuple[jax.Array, Beside]:
        inputs = batch.inputs
        if augment is not None:
            key, change = jax.random.split(key)
            inputs = augment(change, inputs)
        logits, batch_stats = _trained(
            apply, Network(params, beside.batch_stats), inputs, key if dropout else None
        )
        labels, given = batch.labels, None
        if isinstance(labels, Taught):
            labels, given = labels
        value = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        if beside.teacher is not None:
            given = (ask or apply)(variables(beside.teacher), inputs)
        if given is not None:
            value *= 1 - distill.weight
            value += distill.weight * from_teacher(logits, given, distill.temperature).mean()
        return value, beside._replace(batch_stats=batch_stats)

    return loss


def from_teacher(
    logits: jax.Array, teacher_logits: jax.Array, temperature: float = 1.0
) -> jax.Array:
    r"""Return :math:`T^2 \, \mathrm{KL}(p_T \| q_T)` of the teacher's and the student's classes.

    With :math:`p_T = \mathrm{softmax}(z / T)`, in nats, [...]. The factor keeps the size of the
    gradient when the temperature changes: Hinton, Vinyals, Dean, *Distilling the knowledge in a
    neural network*, arXiv 1503.02531.

    Args:
      logits: of the student, [..., classes].
      teacher_logits: the same shape. No gradient flows into them.
      temperature: `T > 0`.
    """
    teacher = jax.nn.log_softmax(jax.lax.stop_gradient(teacher_logits) / temperature)
    student = jax.nn.log_softmax(logits / temperature)
    divergence = optax.losses.kl_divergence_with_log_targets(student, teacher)
    return temperature**2 * divergence


def _trained(
    apply: Apply, network: Network, inputs: jax.Array, dropout: jax.Array | None
) -> tuple[jax.Array, PyTree]:
    """Logits while training, with units dropped by a key, and the statistics after them."""
    options = {} if dropout is None else {"dropout": True, "rngs": {"dropout": dropout}}
    if network.batch_stats is None:
        return apply({"params": network.params}, inputs, **options), None
    logits, moved = apply(network._asdict(), inputs, train=True, mutable=["batch_stats"], **options)
    return logits, moved["batch_stats"]


def classification_metrics(apply: Apply) -> Callable[[PyTree, Examples], dict[str, jax.Array]]:
    """Return a function to the accuracy and the cross-entropy in bits of each example.

    It takes settled parameters and a batch. For text they are means over the places of an example.
    """

    @jax.jit
    def metrics(params: PyTree, batch: Examples) -> dict[str, jax.Array]:
        logits = apply(variables(params), batch.inputs)
        nats = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels)
        values = {"accuracy": logits.argmax(axis=-1) == batch.labels, "bits": nats / jnp.log(2.0)}
        return {name: v.reshape(len(v), -1).mean(axis=1) for name, v in values.items()}

    return metrics
