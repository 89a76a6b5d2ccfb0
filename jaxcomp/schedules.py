"""What changes from step to step: schedules as optax takes them, functions of the step count."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number


def cubic_density(
    final: float, steps: int, *, begin: int = 0
) -> Callable[[jax.Array | int], jax.Array]:
    r"""The density :math:`d_t = d + (1 - d) (1 - (t - b) / n)^3` of gradual pruning.

    It is 1 up to step `begin`, falls fast while many weights are redundant, slowly towards the end,
    and stays at `final` from step `begin + steps` on.

    Source: Zhu and Gupta, *To prune, or not to prune*, arXiv 1710.01878, equation 1.

    Args:
      final: fraction of weights kept in the end, in (0, 1].
      steps: number of steps `n` from dense to `final`, at least 1.
      begin: step `b` at which pruning begins.

    Raises:
      ValueError: if a value is outside its range.

    Example:
      >>> schedule = cubic_density(0.1, 100)
      >>> [round(float(schedule(step)), 4) for step in (0, 50, 100, 200)]
      [1.0, 0.2125, 0.1, 0.1]
    """
    wanted = "the fraction of weights to keep, in (0, 1]"
    check_number("final", final, wanted, lambda d: 0 < d <= 1)
    check_number("steps", steps, "a number of steps, at least 1", lambda n: n >= 1, integer=True)
    check_number("begin", begin, "a step, at least 0", lambda n: n >= 0, integer=True)

    def schedule(count: jax.Array | int) -> jax.Array:
        left = 1 - jnp.clip((jnp.asarray(count, jnp.float32) - begin) / steps, 0, 1)
        return final + (1 - final) * left**3

    return schedule
