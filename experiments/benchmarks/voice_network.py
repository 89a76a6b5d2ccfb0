"""The network of Silero VAD, which hears whether someone speaks, in JAX: its branch of 16 kHz.

Silero Team, silero-vad 6.2.3 (MIT). All parameters are as in the package's file, weights
[out, in, window]; the first convolution is a Fourier transform.
"""

import jax
import jax.numpy as jnp
from safetensors.numpy import load_file

from experiments.benchmarks.dense_networks import nested
from experiments.benchmarks.packaged_data import packaged
from experiments.benchmarks.subject import Params

CHUNK = 512  # samples of which a probability is given
_CONTEXT = 64  # samples before a chunk that are heard with it
_CONVOLUTIONS = (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1))  # with their strides


def packaged_params() -> Params:
    """Return the 309,633 parameters that the package holds.

    Raises:
      ImportError: if silero-vad 6.2.3 is not installed.
    """
    arrays = load_file(packaged("silero-vad", "6.2.3", "silero_vad_16k.safetensors"))
    return nested({name.replace(".", "/"): w for name, w in sorted(arrays.items())})


def logits(params: Params, sounds: jax.Array) -> jax.Array:
    """Return logits [n, chunks, 2] of silence, which are 0, and of speech in each chunk.

    Args:
      params: of the network.
      sounds: float32 [n, chunks * `CHUNK`] from -1 to 1.
    """
    count, samples = sounds.shape
    heard = jnp.pad(sounds, ((0, 0), (_CONTEXT, 0)))
    begins = range(0, samples, CHUNK)
    chunks = jnp.stack([heard[:, i : i + _CONTEXT + CHUNK] for i in begins], axis=1)
    x = chunks.reshape(count * len(begins), 1, _CONTEXT + CHUNK)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, _CONTEXT)), mode="reflect")
    real, imaginary = jnp.split(_convolution(params["stft_conv"], x, 128, 0), 2, axis=1)
    x = jnp.sqrt(real**2 + imaginary**2)
    for name, stride in _CONVOLUTIONS:
        x = jax.nn.relu(_convolution(params[name], x, stride, 1))
    h = _lstm(params["lstm_cell"], x.reshape(count, len(begins), -1))
    speech = _convolution(
        params["final_conv"], jax.nn.relu(h).reshape(count * len(begins), -1, 1), 1, 0
    ).reshape(count, len(begins))
    return jnp.stack([jnp.zeros_like(speech), speech], axis=2)


def _convolution(params: Params, x: jax.Array, stride: int, padding: int) -> jax.Array:
    """Convolve `x` [n, channels, length] with a weight [out, in, window]."""
    y = jax.lax.conv_general_dilated(
        x,
        params["weight"],
        (stride,),
        [(padding, padding)],
        dimension_numbers=("NCH", "OIH", "NCH"),
    )
    return y + params["bias"][None, :, None] if "bias" in params else y


def _lstm(params: Params, inputs: jax.Array) -> jax.Array:
    """Return states [n, steps, units], with gates in the order of PyTorch."""
    from_inputs = inputs @ params["weight_ih"].T + params["bias_ih"][None, None]

    def step(state: tuple[jax.Array, jax.Array], from_inputs: jax.Array) -> tuple:
        h, c = state
        gates = from_inputs + h @ params["weight_hh"].T + params["bias_hh"][None]
        i, f, g, o = jnp.split(gates, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    start = jnp.zeros((len(inputs), params["weight_hh"].shape[1]), jnp.float32)
    states = jax.lax.scan(step, (start, start), jnp.swapaxes(from_inputs, 0, 1))[1]
    return jnp.swapaxes(states, 0, 1)
