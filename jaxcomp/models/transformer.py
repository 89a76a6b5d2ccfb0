"""A small decoder-only transformer."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcomp.models.inputs import Tokens


class Transformer(nn.Module):
    """Predicts the next token at each place from those up to there.

    Blocks of attention and of two dense layers, each on the normalized sum of all before it
    (*pre-norm*; RMS norm, Zhang, Sennrich, arXiv 1910.07467). Places enter by rotation (*RoPE*, Su
    et al., arXiv 2104.09864) and logits are products with the table of embeddings, so that all
    parameters but the scales of norms are weights with two axes. With the defaults, 102,208.
    """

    classes: int = 61  # tokens there are, such as the characters of `jaxcomp.data.sonnets`
    depth: int = 2
    width: int = 64
    heads: int = 4
    hidden_dropout: float = 0.0  # share of a block's outputs dropped, where dropout is asked for
    dtype: Any = None  # that computes; parameters stay in float32

    takes = Tokens()

    @nn.compact
    def __call__(self, tokens: jax.Array, *, dropout: bool = False) -> jax.Array:
        """Logits [n, length, classes], float32, of tokens [n, length], integers."""
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
    """Each place attends to itself and to those before it."""

    heads: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The same shape as `x` [n, length, width]."""
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
    r"""Pairs of features turned by angles in proportion to the place.

    Pair $i$ of $m$, at place $t$, by $t / 10000^{i/m}$. The product of two rotated vectors depends
    on the distance of their places alone.

    Args:
      x: [n, length, heads, features], features even; the pairs are features $i$ and $i + m$.
    """
    half = x.shape[-1] // 2
    speeds = 10_000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = jnp.outer(jnp.arange(x.shape[1], dtype=jnp.float32), speeds)[None, :, None, :]
    cosine, sine = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    one, other = x[..., :half], x[..., half:]
    return jnp.concatenate([one * cosine - other * sine, one * sine + other * cosine], axis=-1)
