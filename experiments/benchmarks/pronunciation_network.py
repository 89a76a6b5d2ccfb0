"""The network of g2p-en, which spells words out in phonemes, in JAX.

K. Park, J. Kim, g2p-en 2.1.0 (Apache-2.0): one GRU reads the letters of a word, another writes its
phonemes. All parameters are as in the package's file, weights [out, in].
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.packaged_data import packaged
from experiments.benchmarks.subject import Params

LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
_VOWELS, _CONSONANTS = (
    symbols.split()
    for symbols in (
        "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW",
        "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH",
    )
)
# Vowels with their stress, 0 to 2; in alphabetic order, as the package has them.
_STRESSED = [f"{vowel}{stress}" for vowel in _VOWELS for stress in range(3)]
PHONEMES = ("<pad>", "<unk>", "<s>", "</s>", *sorted([*_STRESSED, *_CONSONANTS, "UW"]))
END_OF_WORD = LETTERS.index("</s>")
START, END = PHONEMES.index("<s>"), PHONEMES.index("</s>")
LONGEST = 20  # phonemes of a word


def packaged_params() -> Params:
    """Return the 834,890 parameters that the package holds.

    Raises:
      ImportError: if g2p-en 2.1.0 is not installed.
    """
    path = packaged("g2p-en", "2.1.0", "checkpoint20.npz")
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def next_phonemes(params: Params, letters: jax.Array, phonemes: jax.Array) -> jax.Array:
    """Return logits [n, steps, phonemes] of the next phoneme after each one.

    A row may hold several words, one after another, so that none of it is padding. The state is
    zero where a word begins. Behind each `<s>` the decoder starts from the state at the end of the
    word to which it belongs, the first to the first one, and so on.

    Args:
      params: of the network.
      letters: integers [n, places], the letters of words, each word with `</s>` at its end.
      phonemes: integers [n, steps], for each word `<s>` and its phonemes.
    """
    read = _from_inputs(params, "enc", params["enc_emb"][letters])
    states = _letter_states(params, letters, read)
    starts = phonemes == START
    # The decoder of word k starts at the first place up to which k words have ended.
    ended = jnp.cumsum(letters == END_OF_WORD, axis=1, dtype=jnp.int32)
    word = jnp.cumsum(starts, axis=1, dtype=jnp.int32)
    places = jnp.argmax(ended[:, None, :] == word[:, :, None], axis=2)
    first = jnp.take_along_axis(states, places[:, :, None], axis=1)
    written = _from_inputs(params, "dec", params["dec_emb"][phonemes])
    h = _gru(params, "dec", written, starts, first)
    return h @ params["fc_w"].T + params["fc_b"][None, None]


def greedy(params: Params, letters: jax.Array) -> jax.Array:
    """Return the likeliest next phonemes [n, `LONGEST`], one by one; valid up to the first `END`.

    Args:
      params: of the network.
      letters: integers [n, places], one word in each row, then `</s>` and any padding.
    """
    # One product for each symbol, rather than for each place.
    read, written = (_from_inputs(params, name, params[f"{name}_emb"]) for name in ("enc", "dec"))
    states = _letter_states(params, letters, read[letters])
    place = jnp.argmax(letters == END_OF_WORD, axis=1)
    h = jnp.take_along_axis(states, place[:, None, None], axis=1)[:, 0]

    def step(carry: tuple[jax.Array, jax.Array], _: None) -> tuple:
        h, phoneme = carry
        h = _cell(params, "dec", written[phoneme], h)
        phoneme = jnp.argmax(h @ params["fc_w"].T + params["fc_b"][None], axis=1).astype(jnp.int32)
        return (h, phoneme), phoneme

    first = jnp.full(len(letters), START, jnp.int32)
    return jax.lax.scan(step, (h, first), length=LONGEST)[1].T


def _letter_states(params: Params, letters: jax.Array, from_inputs: jax.Array) -> jax.Array:
    """Return the states [n, places, units] after each letter of its word."""
    ends = letters == END_OF_WORD
    begins = jnp.concatenate([jnp.ones_like(ends[:, :1]), ends[:, :-1]], axis=1)
    size = params["enc_w_hh"].shape[1]
    zeros = jnp.zeros((*letters.shape, size), jnp.float32)
    return _gru(params, "enc", from_inputs, begins, zeros)


def _gru(
    params: Params, name: str, from_inputs: jax.Array, begins: jax.Array, first: jax.Array
) -> jax.Array:
    """Return states [n, steps, units]; where one `begins`, the state before is `first` there."""

    def step(h: jax.Array, at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple:
        from_inputs, begin, first = at
        h = _cell(params, name, from_inputs, jnp.where(begin[:, None], first, h))
        return h, h

    over_time = tuple(jnp.swapaxes(x, 0, 1) for x in (from_inputs, begins, first))
    states = jax.lax.scan(step, jnp.zeros_like(first[:, 0]), over_time)[1]
    return jnp.swapaxes(states, 0, 1)


def _from_inputs(params: Params, name: str, inputs: jax.Array) -> jax.Array:
    bias = params[f"{name}_b_ih"]
    return inputs @ params[f"{name}_w_ih"].T + bias.reshape(*[1] * (inputs.ndim - 1), -1)


def _cell(params: Params, name: str, from_inputs: jax.Array, h: jax.Array) -> jax.Array:
    """Return the next state of a gated recurrent unit, with gates in the order of PyTorch."""
    from_state = h @ params[f"{name}_w_hh"].T + params[f"{name}_b_hh"][None]
    (r, z, n), (hr, hz, hn) = (jnp.split(x, 3, axis=1) for x in (from_inputs, from_state))
    r, z = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
    return (1 - z) * jnp.tanh(n + r * hn) + z * h
