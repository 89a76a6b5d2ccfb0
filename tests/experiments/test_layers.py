"""The layers that experiments name are those of the models."""

import jax
import numpy as np
import pytest

from experiments.layers import CHAINS, LAYERS, input_units
from experiments.objective import variables
from jaxcomp.models import MODELS
from jaxcomp.prune import apply_mask, remove_dead_units, top_k_mask

IMAGES = {"vgg_16": (4, 32, 32, 3)}


def test_units_can_be_taken_out_where_there_is_no_batch_norm():
    assert CHAINS == ("lenet_300_100", "lenet_5_caffe")


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.filterwarnings("ignore:nothing is left of")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in IMAGES)) for name in LAYERS],
)
def test_a_pruned_network_computes_the_same_without_its_dead_units(name):
    model = MODELS[name]()
    images = jax.random.normal(jax.random.key(0), IMAGES.get(name, (20, 28, 28, 1)))
    params = model.init(jax.random.key(1), images)["params"]
    params = apply_mask(params, top_k_mask(params, 0.003))
    given = variables(params)
    inputs = input_units(LAYERS[name], images.shape[1:])
    alive = remove_dead_units(params, LAYERS[name], inputs=inputs, batch_stats=given["batch_stats"])
    assert alive.nonzeros_after < alive.nonzeros_before
    np.testing.assert_allclose(
        model.apply(variables(alive.params), images), model.apply(given, images), atol=1e-6
    )
