"""Networks and data sets: whatever fits can be configured, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.settings.check import check
from experiments.settings.flags import DEFAULT, load
from experiments.settings.networks import NetworkSettings
from jaxcomp.data import DATASETS
from jaxcomp.models import MODELS

NETWORKS = ["lenet_300_100", "lenet_5_caffe", "resnet_20", "transformer", "vgg_16"]


def is_refused(network, data):
    config = load(DEFAULT)
    config.update_from_flattened_dict({"model": network, "data.name": data})
    try:
        check(config)
    except ValueError as error:
        message = str(error)
    else:
        return False
    assert f"model={network!r} does not go with data.name={data!r}: it takes " in message
    return True


def works(network, data):
    """Whether the network makes logits for each label, with weights in all arrays."""
    shape = (2, *DATASETS[data].input_shape)
    text = DATASETS[data].is_text
    inputs = jax.ShapeDtypeStruct(shape, jnp.int32 if text else jnp.float32)
    model = NetworkSettings(network, data).to_evaluate()
    try:
        logits, variables = jax.eval_shape(model.init_with_output, jax.random.key(0), inputs)
    except (ValueError, TypeError, ZeroDivisionError):
        return False
    labels = shape if text else shape[:1]
    weights = jax.tree.leaves(variables["params"])
    return logits.shape == (*labels, DATASETS[data].classes) and all(w.size for w in weights)


@pytest.mark.parametrize("data", DATASETS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_pair_is_refused_where_the_network_cannot_work(network, data):
    assert is_refused(network, data) != works(network, data)


@pytest.mark.parametrize("network", MODELS)
def test_every_network_can_be_made_for_any_number_of_classes(network):
    assert MODELS[network](classes=7).classes == 7


def test_the_shapes_and_classes_of_data_sets_are_those_of_their_examples():
    for name in ("digits", "sonnets"):
        data, splits = DATASETS[name], DATASETS[name].load(0)
        for part in splits:
            assert part.inputs.shape[1:] == data.input_shape
            assert part.in_memory == data.in_memory
        labels = np.concatenate([part.labels.ravel() for part in splits])
        assert set(labels) == set(range(data.classes))
