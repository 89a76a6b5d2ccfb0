"""Holds a small decoder-only transformer."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcomp.models.inputs import Tokens


class Transformer(nn.Module):
    """Predicts the next token at each place from the tokens up to there.

    Each block has attention and two dense layers, both applied to the normalized sum of everything
    before them (*pre-norm*; RMS norm, Zhang, Sennrich, arXiv 1910.07467). Rotations encode places
    (*RoPE*, Su et al., arXiv 2104.09864), and logits are products with the table of embeddings. So
    all parameters except the scales of norms are weights with two axes: 102,208 with the defaults.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxcomp.models import Transformer
      >>> tokens = jnp.zeros((1, 64), jnp.int32)
      >>> params = jax.eval_shape(Transformer().init, jax.random.key(0), tokens)["params"]
      >>> sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim > 1)
      102208
    """

    classes: int = 61  # number of tokens, such as the characters of `jaxcomp.data.sonnets`
    depth: int = 2
    width: int = 64
    heads: int = 4
    hidden_dropout: float = 0.0  # share of a block's outputs that are dropped, if asked for
    dtype: Any = None  # type of the computation; parameters stay in float32

    takes = Tokens()

    @nn.compact
    def __call__(self, tokens: jax.Array, *, dropout: bool = False) -> jax.Array:
        """Return logits [n, length, classes], float32, of tokens [n, length], integers."""
        embed = nn.Embed(self.classes, self.width, dtype=self.dtype)
        drop = nn.Dropout(self.hidden_dropout, deterministic=not dropout)
        x = embed(tokens)
        for _ in range(self.depth):
            x = x + drop(Attention(self.heads, self.dtype)(self._norm(x)))
            hidden = nn.gelu(self._dense(4 * self.width)(self._norm(x)))
            x = x + drop(self._dense(self.width)(hidden))
        return embed.attend(self._norm(x)).astype(jnp.float32)

    def _dense(self, features: int) -> nn.Dense:
        return nn.Dense(features, use_bias=False, dtype=self.dtype)

    def _norm(self, x: jax.Array) -> jax.Array:
        return nn.RMSNorm(dtype=self.dtype)(x)


class Attention(nn.Module):
    """Lets each place attend to itself and to those before it."""

    heads: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return an array of the shape of `x` [n, length, width]."""
        *outer, width = x.shape
        query, key, value = (
            nn.Dense(width, use_bias=False, dtype=self.dtype, name=name)(x).reshape(
                *outer, self.heads, width // self.heads
            )
            for name in ("query", "key", "value")
        )
        attended = jax.nn.dot_product_attention(rotated(query), rotated(key), value, is_causal=True)
        merged = attended.reshape(x.shape)
        return nn.Dense(width, use_bias=False, dtype=self.dtype, name="out")(merged)


def rotated(x: jax.Array) -> jax.Array:
    r"""Rotate pairs of features by angles in proportion to the place.

    Pair `i` of `m`, at place `t`, is rotated by :math:`t / 10000^{i/m}`. The product of two rotated
    vectors depends only on the distance of their places.

    Args:
      x: [n, length, heads, features], features even; the pairs are features `i` and `i + m`.
    """
    half = x.shape[-1] // 2
    speeds = 10_000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = jnp.outer(jnp.arange(x.shape[1], dtype=jnp.float32), speeds)[None, :, None, :]
    cosine, sine = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    one, other = x[..., :half], x[..., half:]
    return jnp.concatenate([one * cosine - other * sine, one * sine + other * cosine], axis=-1)
