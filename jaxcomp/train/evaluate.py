"""Averages metrics over a whole data set, batch by batch."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np


def evaluate(
    metrics: Callable[[Any, Any], dict[str, jax.Array]], params: Any, batches: Iterable[Any]
) -> dict[str, float]:
    """Return the mean of each metric over all examples; a short last batch counts by its size.

    Args:
      metrics: function of parameters and a batch. It returns values by name, each of shape [n] for
        a batch of n examples, and is compiled by the caller.
      params: parameters to evaluate.
      batches: the data, each example once.

    Raises:
      ValueError: if there are no batches.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.train import evaluate
      >>> batches = [jnp.array([1.0, 2.0]), jnp.array([6.0])]
      >>> evaluate(lambda params, batch: {"error": abs(params - batch)}, 1.0, batches)
      {'error': 2.0}
    """
    totals: dict[str, float] = {}
    examples = 0
    for batch in batches:
        values = jax.device_get(metrics(params, batch))
        for name, value in values.items():
            totals[name] = totals.get(name, 0.0) + float(np.sum(value, dtype=np.float64))
        examples += len(next(iter(values.values())))
    if not examples:
        raise ValueError("there is nothing to evaluate: the batches are empty")
    return {name: total / examples for name, total in totals.items()}
