"""Implements l0 regularization by hard-concrete gates, which are trained with the weights.

Source: Louizos, Welling, Kingma, *Learning sparse neural networks through L0 regularization*,
ICLR 2018, arXiv 1712.01312. Equation numbers are those of the paper.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.tree_util import register_dataclass

from jaxcomp.arguments import check_number
from jaxcomp.numerics import accumulation_dtype
from jaxcomp.parametrized import Parametrized
from jaxcomp.trees import Mask, PyTree, path_name, resolve_mask

TEMPERATURE = 2 / 3  # beta of the paper
LOW, HIGH = -0.1, 1.1  # the interval to which a gate is stretched


@register_dataclass
@dataclass(frozen=True)
class Gated(Parametrized):
    """Holds a tensor with a gate for each weight, in a form that can be trained.

    Example:
      >>> import jax.numpy as jnp
      >>> gated = Gated(jnp.array([2.0, 3.0]), jnp.array([10.0, -10.0]))  # one open, one closed
      >>> gated.value(None).tolist()
      [2.0, 0.0]
    """

    weight: jax.Array  # shape of the tensor
    log_alpha: jax.Array  # shape of the tensor: locations of the gates, in logits

    def value(self, key: jax.Array | None) -> jax.Array:
        """Return `weight * z` with gates `z` that are sampled by equations 10 and 11.

        Args:
          key: random key of the samples. None evaluates the gates by equation 13, where closed ones
            are exactly 0.
        """
        logits = self.log_alpha
        if key is not None:
            u = jax.random.uniform(key, logits.shape, logits.dtype, 1e-6, 1 - 1e-6)
            logits = (jnp.log(u) - jnp.log1p(-u) + logits) / TEMPERATURE
        return self.weight * jnp.clip(jax.nn.sigmoid(logits) * (HIGH - LOW) + LOW, 0, 1)

    def mask(self, keep: jax.Array) -> "Gated":
        """Return `keep` for the weights, and True for the gates."""
        return Gated(keep, True)  # type: ignore[arg-type]  # a mask, not an array


def expected_nonzeros_of(log_alphas: Sequence[jax.Array]) -> jax.Array:
    r"""Return the expected number of open gates.

    It is :math:`\sum_i \sigma(\log\alpha_i - \beta \log(-l / h))`, equation 12 of the paper, with
    the interval :math:`(l, h)` to which a gate is stretched and the temperature :math:`\beta`.

    Args:
      log_alphas: locations of the gates in logits, arrays of any shapes.

    Example:
      >>> import jax.numpy as jnp
      >>> float(expected_nonzeros_of([jnp.array([100.0, -100.0, 100.0])]))
      2.0
    """
    shift = TEMPERATURE * math.log(-LOW / HIGH)
    of_each = (jax.nn.sigmoid(a.astype(accumulation_dtype(a)) - shift) for a in log_alphas)
    return jnp.asarray(sum(map(jnp.sum, of_each)))


def gate(params: PyTree, *, probability: float = 0.9, mask: Mask | None = None) -> PyTree:
    """Replace weights by `Gated` nodes whose gates are all open with the same probability at first.

    Args:
      params: tree of arrays.
      probability: of a gate to be non-zero, in (0, 1).
      mask: which leaves get gates (see `jaxcomp.compressibility_tree`).

    Raises:
      ValueError: if `probability` is outside (0, 1), or the mask does not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.losses import penalty_tree
      >>> gated = gate({"kernel": jnp.ones((2, 5)), "bias": jnp.ones(5)}, probability=0.8)
      >>> round(float(penalty_tree(gated, "l0_hard_concrete")), 4)  # 0.8 of 10 weights
      8.0
    """
    check_number("probability", probability, "in (0, 1)", lambda p: 0 < p < 1)
    start = math.log(probability / (1 - probability)) + TEMPERATURE * math.log(-LOW / HIGH)
    return jax.tree.map(
        lambda selected, w: Gated(w, jnp.full_like(w, start)) if selected else w,
        resolve_mask(mask, params),
        params,
    )


def gate_mask(params: PyTree) -> PyTree:
    """Select the leaves that `expected_nonzeros_of` is a function of: those called `log_alpha`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: path_name(path).rpartition("/")[2] == "log_alpha", params
    )
