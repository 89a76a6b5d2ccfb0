"""l0 regularization by hard-concrete gates, which are trained with the weights.

Source: Louizos, Welling, Kingma, *Learning sparse neural networks through L0 regularization*,
ICLR 2018, arXiv 1712.01312; equation numbers are those of the paper.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.numerics import accumulation_dtype
from jaxcomp.trees import Mask, PyTree, path_name, resolve_mask

TEMPERATURE = 2 / 3  # beta of the paper, with the interval to which the gate is stretched
LOW, HIGH = -0.1, 1.1


class Gated(NamedTuple):
    """A tensor with a gate for each weight, in a form that can be trained.

    It takes the place of an array in a parameter tree; `open_gates` and `sample_gates` turn the
    tree back into one of arrays.
    """

    weight: jax.Array  # shape of the tensor
    log_alpha: jax.Array  # shape of the tensor: location of the gate, in logits


def expected_nonzeros_of(log_alphas: Sequence[jax.Array]) -> jax.Array:
    r"""The expected number of open gates, :math:`\sum_i \sigma(\log\alpha_i - \beta \log(-l / h))`.

    Equation 12 of the paper, with the interval :math:`(l, h)` to which a gate is stretched and the
    temperature :math:`\beta`.

    Example:
      >>> import jax.numpy as jnp
      >>> float(expected_nonzeros_of([jnp.array([100.0, -100.0, 100.0])]))
      2.0
    """
    shift = TEMPERATURE * math.log(-LOW / HIGH)
    return sum(jnp.sum(jax.nn.sigmoid(a.astype(accumulation_dtype(a)) - shift)) for a in log_alphas)


def gate(params: PyTree, *, probability: float = 0.9, mask: Mask | None = None) -> PyTree:
    r"""Replace weights by `Gated` nodes, all with the same chance of being open at first.

    Args:
      params: tree of arrays.
      probability: that a gate is not zero, in (0, 1).
      mask: which leaves get gates (see `jaxcomp.compressibility_tree`).

    Raises:
      ValueError: if `probability` is outside (0, 1), or the mask does not fit.
    """
    check_number("probability", probability, "in (0, 1)", lambda p: 0 < p < 1)
    start = math.log(probability / (1 - probability)) + TEMPERATURE * math.log(-LOW / HIGH)
    return jax.tree.map(
        lambda selected, w: Gated(w, jnp.full_like(w, start)) if selected else w,
        resolve_mask(mask, params),
        params,
    )


def sample_gates(params: PyTree, key: jax.Array) -> PyTree:
    """Arrays `weight * z` with gates `z` sampled by equations 10 and 11, for training.

    Args:
      params: tree with `Gated` nodes.
      key: random key; another one at each step.
    """
    nodes = jax.tree.leaves(params, is_leaf=_is_gated)
    keys = iter(jax.random.split(key, len(nodes)))

    def sampled(log_alpha: jax.Array) -> jax.Array:
        u = jax.random.uniform(next(keys), log_alpha.shape, log_alpha.dtype, 1e-6, 1 - 1e-6)
        return jax.nn.sigmoid((jnp.log(u) - jnp.log1p(-u) + log_alpha) / TEMPERATURE)

    return _gated(params, sampled)


def open_gates(params: PyTree) -> PyTree:
    """Arrays `weight * z` with the gates of equation 13, to evaluate: closed ones are exact 0."""
    return _gated(params, jax.nn.sigmoid)


def gate_mask(params: PyTree) -> PyTree:
    """The leaves that `expected_nonzeros_of` is a function of: those called `log_alpha`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: path_name(path).rpartition("/")[2] == "log_alpha", params
    )


def _gated(params: PyTree, unstretched: Callable[[jax.Array], jax.Array]) -> PyTree:
    def of_node(node: Any) -> jax.Array:
        if not _is_gated(node):
            return node
        stretched = unstretched(node.log_alpha) * (HIGH - LOW) + LOW
        return node.weight * jnp.clip(stretched, 0, 1)

    return jax.tree.map(of_node, params, is_leaf=_is_gated)


def _is_gated(node: Any) -> bool:
    return isinstance(node, Gated)
