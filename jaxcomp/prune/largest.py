"""Finds the largest of many scores, exactly as many as asked for, without sorting."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxcomp.numerics import check_whole, gathered


@jax.jit
def largest(scores: Sequence[jax.Array], k: jax.Array | int) -> list[jax.Array]:
    """Mark the `k` largest entries of all `scores` together.

    The bits of floats that are not negative are in the order of the floats. So 31 counts find the
    k-th largest exactly: each counts the entries above a bound that gains one bit at a time. They
    run in parallel over any sharding, and need no more memory than the scores.

    Args:
      scores: floating-point arrays of any shapes, not negative and not NaN. They are compared in
        float32.
      k: how many, from 0 to the number of entries; it may be traced.

    Returns:
      bool arrays of the shapes of `scores`, with exactly `k` True. Among equal scores the first are
      marked, in order of the arrays, then in row-major order.

    Raises:
      ValueError: if there are more scores than a 32-bit integer counts.

    Example:
      >>> import jax.numpy as jnp
      >>> [mask.tolist() for mask in largest([jnp.array([0.1, 4.0]), jnp.array([3.0, 0.2])], 2)]
      [[False, True], [True, False]]
    """
    check_whole(scores, "weights are ranked")
    n = sum(score.size for score in scores)
    if n > jnp.iinfo(jnp.int32).max:
        raise ValueError(f"{n} scores are more than can be ranked together: rank them per tensor")
    # `abs` makes negative zeros positive; XLA would drop an addition of zero.
    bits = [jax.lax.bitcast_convert_type(jnp.abs(s.astype(jnp.float32)), jnp.int32) for s in scores]
    k = jnp.asarray(k, jnp.int32)

    def with_bit(i: jax.Array, bound: jax.Array) -> jax.Array:
        candidate = bound | (1 << (30 - i))
        reached = sum(jnp.sum(b >= candidate, dtype=jnp.int32) for b in bits)
        return jnp.where(reached >= k, candidate, bound)

    bound = jax.lax.fori_loop(0, 31, with_bit, jnp.zeros((), jnp.int32))
    ties = k - sum(jnp.sum(b > bound, dtype=jnp.int32) for b in bits)
    masks = []
    for b in bits:
        equal = b == bound
        place = jnp.cumsum(gathered(equal).ravel(), dtype=jnp.int32).reshape(equal.shape)
        masks.append((b > bound) | (equal & (place <= ties)))
        ties -= jnp.sum(equal, dtype=jnp.int32)
    return masks
