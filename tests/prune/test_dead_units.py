"""Removing dead units: the function stays, for random networks of every kind of layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.prune.dead_units import (
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Residual,
    remove_dead_units,
)

RELU = Activation(nn.relu)


class Mlp(nn.Module):
    activation: object = nn.relu

    @nn.compact
    def __call__(self, x):
        x = self.activation(nn.Dense(12, name="a")(x))
        x = self.activation(nn.Dense(9, name="b")(x))
        return nn.Dense(4, name="c")(x)


class Convolutional(nn.Module):
    padding: str = "VALID"

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (3, 3), padding="VALID", name="a")(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Conv(8, (3, 3), padding=self.padding, name="b")(x))
        x = nn.avg_pool(x, (2, 2), (1, 1))
        return nn.Dense(4, name="c")(x.reshape(len(x), -1))


class PooledAlone(nn.Module):
    """Without activations after convolutions, as LeNet-5-Caffe is."""

    padding: str = "VALID"

    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.Conv(6, (3, 3), padding="VALID", name="a")(x), (2, 2), (2, 2))
        x = nn.avg_pool(nn.Conv(8, (3, 3), padding=self.padding, name="b")(x), (2, 2), (1, 1))
        x = nn.relu(nn.Dense(7, name="c")(x.reshape(len(x), -1)))
        return nn.Dense(4, name="d")(x)


def pooled_alone(padding):
    positions = {"VALID": 1, "SAME": 9}[padding]
    layers = (Conv("a"), MaxPool(), Conv("b", padding), AveragePool(), Flatten(positions))
    return PooledAlone(padding), (10, 10, 2), (*layers, Dense("c"), RELU, Dense("d"))


class WithResidual(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(8, name="a")(x))
        y = nn.relu(nn.Dense(10, name="b")(x))
        x = nn.relu(x + nn.Dense(8, name="c")(y))
        x = nn.Dense(6, name="s")(x) + nn.Dense(6, name="d")(x)
        return nn.Dense(3, name="e")(x)


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(6, (3, 3), padding="VALID", use_bias=False, name="a")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=True, name="n")(x))
        return nn.Dense(3, name="b")(x.mean(axis=(1, 2)))


NETWORKS = {
    "mlp": (Mlp(), (5,), (Dense("a"), RELU, Dense("b"), RELU, Dense("c"))),
    "tanh": (
        Mlp(nn.tanh),
        (5,),
        (Dense("a"), Activation(jnp.tanh), Dense("b"), Activation(jnp.tanh), Dense("c")),
    ),
    "sigmoid, constant where nothing comes in": (
        Mlp(nn.sigmoid),
        (5,),
        (Dense("a"), Activation(nn.sigmoid), Dense("b"), Activation(nn.sigmoid), Dense("c")),
    ),
    "convolutions": (
        Convolutional(),
        (10, 10, 2),
        (Conv("a"), RELU, MaxPool(), Conv("b"), RELU, AveragePool(), Flatten(1), Dense("c")),
    ),
    "padded": (
        Convolutional("SAME"),
        (10, 10, 2),
        (
            Conv("a"),
            RELU,
            MaxPool(),
            Conv("b", "SAME"),
            RELU,
            AveragePool(),
            Flatten(9),
            Dense("c"),
        ),
    ),
    "pooled alone": pooled_alone("VALID"),
    "pooled alone, zero padding": pooled_alone("SAME"),
    "residual": (
        WithResidual(),
        (5,),
        (
            Dense("a"),
            RELU,
            Residual((Dense("b"), RELU, Dense("c"))),
            RELU,
            Residual((Dense("d"),), (Dense("s"),)),
            Dense("e"),
        ),
    ),
    "batch norm": (
        Normalised(),
        (8, 8, 2),
        (Conv("a"), BatchNorm("n", use_running_average=True), RELU, AveragePool(), Dense("b")),
    ),
}


def random_variables(model, shape, seed):
    """Sparse weights, with units whose incoming or outgoing weights are all zero."""
    rng = np.random.default_rng(seed)
    variables = model.init(jax.random.key(0), jnp.zeros((1, *shape)))

    def sparse(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        values = rng.normal(size=leaf.shape).astype(np.float32)
        if name.endswith("kernel"):
            values *= rng.random(leaf.shape) < 0.5
            values[..., rng.random(leaf.shape[-1]) < 0.3] = 0
            values[..., rng.random(leaf.shape[-2]) < 0.3, :] = 0
        if name.endswith("scale"):
            values *= rng.random(leaf.shape) < 0.7
        return np.abs(values) if name.endswith("var") else values

    return jax.tree_util.tree_map_with_path(sparse, variables)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", NETWORKS)
def test_the_function_stays_and_weights_go(name, seed):
    model, shape, layers = NETWORKS[name]
    variables = random_variables(model, shape, seed)
    result = remove_dead_units(
        variables["params"], layers, inputs=shape[-1], batch_stats=variables.get("batch_stats")
    )
    x = np.random.default_rng(seed).normal(size=(16, *shape)).astype(np.float32)
    before = model.apply(variables, x)
    after = model.apply({**variables, "params": result.params}, x)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())
    assert result.nonzeros_after < result.nonzeros_before
    again = remove_dead_units(
        result.params, layers, inputs=shape[-1], batch_stats=variables.get("batch_stats")
    )
    assert again.nonzeros_after == result.nonzeros_after


def chain(*kernels, bias=0.5):
    return {
        name: {"kernel": np.asarray(k, np.float32), "bias": np.full(len(k[0]), bias, np.float32)}
        for name, k in zip("abc", kernels, strict=False)
    }


def test_a_constant_unit_is_folded_by_hand():
    params = chain([[0.0, 2.0]], [[3.0], [4.0]])  # the first hidden unit always is relu(0.5)
    result = remove_dead_units(params, (Dense("a"), RELU, Dense("b")), inputs=1)
    np.testing.assert_array_equal(result.params["a"]["kernel"], [[0, 2]])
    np.testing.assert_array_equal(result.params["a"]["bias"], [0, 0.5])
    np.testing.assert_array_equal(result.params["b"]["kernel"], [[0], [4]])
    np.testing.assert_array_equal(result.params["b"]["bias"], [0.5 + 3 * 0.5])
    assert (result.nonzeros_before, result.nonzeros_after) == (6, 4)
    np.testing.assert_array_equal(params["b"]["bias"], [0.5])  # what was given is untouched


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_biases_go_where_nothing_but_pooling_follows(padding):
    model, shape, layers = pooled_alone(padding)
    params = model.init(jax.random.key(0), jnp.zeros((1, *shape)))["params"]
    params = jax.tree.map(lambda w: w + 0.1, params)
    result = remove_dead_units(params, layers, inputs=2)
    with_bias = [name for name, arrays in result.params.items() if arrays["bias"].any()]
    # The border of a padded convolution sees less of the bias before it.
    assert with_bias == {"VALID": ["c", "d"], "SAME": ["a", "c", "d"]}[padding]
    np.testing.assert_array_equal(result.params["b"]["kernel"], params["b"]["kernel"])


def test_biases_are_folded_by_hand():
    params = chain([[2.0]], [[3.0], [4.0]], [[5.0]])  # two positions with one unit each
    layers = (Dense("a"), MaxPool(), Flatten(2), Dense("b"), Dense("c"))
    result = remove_dead_units(params, layers, inputs=1)
    biases = {name: arrays["bias"].item() for name, arrays in result.params.items()}
    assert biases == {"a": 0, "b": 0, "c": 0.5 + 5 * (0.5 + (3 + 4) * 0.5)}


def test_a_bias_does_not_go_past_a_sum_of_branches():
    params = chain([[2.0]], [[3.0]], [[5.0]])
    layers = (Dense("a"), Residual((Dense("b"),)), Dense("c"))
    result = remove_dead_units(params, layers, inputs=1)
    np.testing.assert_array_equal(result.params["a"]["bias"], [0.5])
    np.testing.assert_array_equal(result.params["c"]["bias"], [0.5])


def test_a_unit_without_influence_goes_with_all_that_leads_to_it_alone():
    params = chain([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], [[1.0], [0.0]])
    layers = (Dense("a"), RELU, Dense("b"), RELU, Dense("c"))
    result = remove_dead_units(params, layers, inputs=2).params
    np.testing.assert_array_equal(result["a"]["kernel"], [[1, 0], [0, 0]])
    np.testing.assert_array_equal(result["b"]["kernel"], [[1, 0], [0, 0]])
    np.testing.assert_array_equal(result["a"]["bias"], [0.5, 0])


def test_zero_padding_refuses_to_fold_and_says_why():
    kernel = np.zeros((1, 1, 1, 1), np.float32)
    params = {
        "a": {"kernel": kernel, "bias": np.ones(1, np.float32)},
        "b": {"kernel": kernel + 1, "bias": np.zeros(1, np.float32)},
    }
    result = remove_dead_units(params, (Conv("a"), RELU, Conv("b", "SAME")), inputs=1)
    assert result.nonzeros_after == result.nonzeros_before
    assert result.refused == (
        "input 0 of b always is 1: zero padding makes the next layer see it end at the border",
    )
    # A unit that always is zero leaves no border.
    params["a"]["bias"][:] = -1
    result = remove_dead_units(params, (Conv("a"), RELU, Conv("b", "SAME")), inputs=1)
    assert (result.nonzeros_after, result.refused) == (0, ())


def test_the_mean_over_windows_with_zero_padding_is_no_constant():
    params = {
        "a": {"kernel": np.zeros((1, 1, 1, 1), np.float32), "bias": np.ones(1, np.float32)},
        "b": {"kernel": np.ones((1, 1), np.float32), "bias": np.zeros(1, np.float32)},
    }
    padded = remove_dead_units(params, (Conv("a"), AveragePool("SAME"), Dense("b")), inputs=1)
    assert padded.nonzeros_after == padded.nonzeros_before == 2
    exact = remove_dead_units(params, (Conv("a"), AveragePool(), Dense("b")), inputs=1)
    np.testing.assert_array_equal(exact.params["b"]["bias"], [1])
    assert exact.nonzeros_after == 1


def test_without_a_bias_there_is_nothing_to_fold_into():
    params = chain([[0.0, 2.0]], [[3.0], [4.0]])
    del params["b"]["bias"]
    result = remove_dead_units(params, (Dense("a"), RELU, Dense("b")), inputs=1)
    assert result.nonzeros_after == result.nonzeros_before
    assert "no bias to fold it into" in result.refused[0]


def test_batch_norm_in_training_mode_is_refused():
    with pytest.raises(ValueError, match=r"statistics of its batch.*use_running_average=True"):
        remove_dead_units({}, (BatchNorm("n", use_running_average=False),), inputs=3)


def test_layers_that_do_not_fit_are_named():
    params = chain([[1.0, 1.0]], [[1.0], [1.0]])
    with pytest.raises(KeyError, match=r"no layer 'z'.*\['a', 'b'\]"):
        remove_dead_units(params, (Dense("z"),), inputs=1)
    with pytest.raises(ValueError, match="b has 2 inputs, the layer before it 3 outputs"):
        remove_dead_units(params, (Dense("b"),), inputs=3)
