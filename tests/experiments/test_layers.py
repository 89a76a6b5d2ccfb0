"""The layers that experiments name are those of the models."""

import jax
import numpy as np
import pytest

from experiments.layers import LAYERS, input_units
from jaxcomp.models import MODELS
from jaxcomp.prune import apply_mask, remove_dead_units, top_k_mask


def test_every_model_has_its_layers():
    assert LAYERS.keys() == MODELS.keys()


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", MODELS)
def test_a_pruned_network_computes_the_same_without_its_dead_units(name):
    model, images = MODELS[name](), jax.random.normal(jax.random.key(0), (20, 28, 28, 1))
    params = model.init(jax.random.key(1), images)["params"]
    params = apply_mask(params, top_k_mask(params, 0.003))
    inputs = input_units(LAYERS[name], images.shape[1:])
    alive = remove_dead_units(params, LAYERS[name], inputs=inputs)
    assert alive.nonzeros_after < alive.nonzeros_before
    np.testing.assert_allclose(
        model.apply({"params": alive.params}, images),
        model.apply({"params": params}, images),
        atol=1e-6,
    )
