"""The network of Silero VAD in JAX, on sounds from a seed."""

import jax
import numpy as np
import pytest

import jaxcomp
from experiments.benchmarks import checkpoint_networks
from experiments.benchmarks.subject import BATCH
from experiments.benchmarks.synthetic_voices import sounds
from experiments.benchmarks.voice_network import CHUNK, logits


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(0)
    shapes = {
        "stft_conv": {"weight": (258, 1, 256)},
        "conv1": {"weight": (8, 129, 3), "bias": (8,)},
        "conv2": {"weight": (8, 8, 3), "bias": (8,)},
        "conv3": {"weight": (8, 8, 3), "bias": (8,)},
        "conv4": {"weight": (8, 8, 3), "bias": (8,)},
        "lstm_cell": {
            "weight_ih": (32, 8),
            "weight_hh": (32, 8),
            "bias_ih": (32,),
            "bias_hh": (32,),
        },
        "final_conv": {"weight": (1, 8, 1), "bias": (1,)},
    }
    return jax.tree.map(
        lambda shape: 0.1 * rng.normal(size=shape).astype(np.float32),
        shapes,
        is_leaf=lambda one: isinstance(one, tuple),
    )


def test_sounds_are_those_of_their_seed():
    found = sounds(0, 6, 4_000)
    assert found.shape == (6, 4_000)
    assert found.dtype == np.float32
    assert abs(found).max() <= 1
    assert (abs(found).max(axis=1) > 0).all()
    np.testing.assert_array_equal(found, sounds(0, 6, 4_000))
    assert (found != sounds(1, 6, 4_000)).any(axis=1).all()


def test_a_chunk_is_heard_with_those_before_it_alone(params):
    x = sounds(0, 2, 4 * CHUNK)
    found = np.asarray(jax.jit(logits)(params, x))
    assert found.shape == (2, 4, 2)
    assert (found[..., 0] == 0).all()
    shorter = np.asarray(jax.jit(logits)(params, x[:, : 2 * CHUNK]))
    np.testing.assert_allclose(found[:, :2], shorter, atol=1e-6)
    later = np.asarray(jax.jit(logits)(params, np.concatenate([x[:, CHUNK:], x[:, :CHUNK]], 1)))
    assert (abs(later[:, :3, 1] - found[:, 1:, 1]) > 1e-6).all()  # those before it count


def test_tracing_finds_the_weights(params):
    network = jaxcomp.trace(logits, params, np.zeros((1, 2 * CHUNK), np.float32))
    kinds = {name: parameter.use for name, parameter in network.parameters.items()}
    assert {kinds[f"lstm_cell/weight_{name}"] for name in ("ih", "hh")} == {"dense"}
    convolutions = {name for name, kind in kinds.items() if kind == "convolution"}
    assert convolutions == {name for name in kinds if name.endswith("conv1/weight")} | {
        f"{layer}/weight" for layer in ("stft_conv", "conv2", "conv3", "conv4", "final_conv")
    }


@pytest.mark.slow
def test_the_packaged_network_hears_voices_in_some_sounds():
    try:
        subject = checkpoint_networks.load("silero_vad")
    except ImportError as error:
        pytest.skip(str(error))
    assert sum(w.size for w in jax.tree.leaves(subject.params)) == 309_633
    assert subject.quality(subject.params, "validation") == 0
    coarse = jax.tree.map(lambda w: np.round(16 * w) / 16, subject.params)
    assert 0.5 < subject.quality(coarse, "validation") < 50
    [(x,)] = subject.batches(0, BATCH)
    speech = jax.nn.softmax(subject.apply(subject.params, x))[..., 1]
    assert 0.02 < (speech > 0.5).mean() < 0.5
