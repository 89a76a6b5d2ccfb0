"""A network with merged statistics computes the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.models import VGG16, LeNet300100, ResNet50, ResNetCIFAR
from jaxcomp.models.batch_norm import merge_batch_norm, unit_statistics
from tests.models.variables import random_variables

IMAGES = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
NETWORKS = {"resnet": ResNetCIFAR(depth=8), "vgg": VGG16(widths=(8,) * 14)}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_merged_network_computes_the_same(name):
    model = NETWORKS[name]
    variables = random_variables(model, IMAGES)
    params, stats = variables["params"], variables["batch_stats"]
    merged = merge_batch_norm(params, stats)
    apply = jax.jit(model.apply)
    expected = apply({"params": params, "batch_stats": stats}, IMAGES)
    logits = apply({"params": merged, "batch_stats": unit_statistics(merged)}, IMAGES)
    # Rounding in each of up to 14 layers.
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    unmerged = apply({"params": params, "batch_stats": unit_statistics(params)}, IMAGES)
    assert not np.allclose(unmerged, expected, rtol=0.01)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3])
@pytest.mark.parametrize("name", NETWORKS)
def test_merging_unit_statistics_changes_nothing(name, epsilon):
    params = random_variables(NETWORKS[name], IMAGES)["params"]
    merged = merge_batch_norm(params, unit_statistics(params, epsilon=epsilon), epsilon=epsilon)
    jax.tree.map(np.testing.assert_array_equal, merged, params)


@pytest.mark.parametrize("model", [*NETWORKS.values(), ResNet50()], ids=[*NETWORKS, "resnet_50"])
def test_unit_statistics_are_nested_as_those_of_the_network(model):
    variables = jax.eval_shape(model.init, jax.random.key(0), IMAGES)
    unit = jax.eval_shape(lambda: unit_statistics(variables["params"]))
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), unit)
    assert shapes == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), variables["batch_stats"])


def test_a_network_without_normalization_stays_as_it_is():
    params = random_variables(LeNet300100(), jnp.zeros((1, 8, 8, 1)))["params"]
    assert unit_statistics(params) == {}
    jax.tree.map(np.testing.assert_array_equal, merge_batch_norm(params, {}), params)


def test_what_is_missing_is_named():
    norm = {"scale": jnp.ones(2), "bias": jnp.zeros(2)}
    params, stats = {"block": {"norm": norm}}, unit_statistics({"block": {"norm": norm}})
    for incomplete in ({}, {"block": {}}, {"other": stats["block"]}):
        with pytest.raises(KeyError, match="block/norm has a scale but no mean nor var"):
            merge_batch_norm(params, incomplete)
    with pytest.raises(KeyError, match="block/norm has a scale but no var"):
        merge_batch_norm(params, {"block": {"norm": {"mean": jnp.zeros(2)}}})
    with pytest.raises(KeyError, match="block/norm has a scale but no bias"):
        merge_batch_norm({"block": {"norm": {"scale": jnp.ones(2)}}}, stats)
