"""Training on the outputs of another network."""

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.numerics import check_array


def distillation(
    logits: jax.Array, teacher_logits: jax.Array, temperature: float = 1.0
) -> jax.Array:
    r""":math:`T^2 \, \mathrm{KL}(p_T \| q_T)` of the teacher's and the student's probabilities.

    With :math:`p_T = \mathrm{softmax}(z / T)`. The factor keeps the size of the gradient when the
    temperature changes. It is 0 if and only if both give the same probabilities.

    Source: Hinton, Vinyals, Dean, *Distilling the knowledge in a neural network*, arXiv 1503.02531.

    Args:
      logits: of the student, shape [..., classes].
      teacher_logits: the same shape. No gradient flows into them.
      temperature: `T > 0`.

    Returns:
      Nats, shape [...].

    Raises:
      ValueError: if the shapes differ, or `temperature` is a number that is not positive.
    """
    for name, array in (("logits", logits), ("teacher_logits", teacher_logits)):
        check_array(name, array)
    if logits.shape != teacher_logits.shape:
        raise ValueError(
            f"student and teacher must give logits of one shape, got {logits.shape} and "
            f"{teacher_logits.shape}"
        )
    check_number("temperature", temperature, "positive and finite", lambda t: t > 0)
    teacher = jax.nn.log_softmax(jax.lax.stop_gradient(teacher_logits) / temperature)
    student = jax.nn.log_softmax(logits / temperature)
    return temperature**2 * jnp.sum(jnp.exp(teacher) * (teacher - student), axis=-1)
