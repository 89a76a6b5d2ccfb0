"""Units are taken out of any network that the recipe trains, as its trace tells."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from experiments.settings.flags import DEFAULT, load
from experiments.settings.networks import SettingError
from experiments.settings.settings import settings_of
from experiments.training import narrow
from experiments.training.objective import variables
from experiments.training.recipe import check_by_layer
from jaxcomp.data import Examples
from jaxcomp.models import MODELS
from jaxcomp.prune import apply_mask, remove_dead_units, top_k_mask

SHAPES = {
    "lenet_300_100": (20, 784),
    "lenet_5_caffe": (20, 28, 28, 1),
    "vgg_16": (4, 32, 32, 3),
    "resnet_20": (4, 32, 32, 3),
}


def configured(name, **changes):
    config = load(DEFAULT)
    config.update_from_flattened_dict({"model": name, **changes})
    return settings_of(config)


def traced(settings):
    """The network of a run, with its first parameters as shapes."""
    examples = Examples(
        np.zeros((1, *SHAPES[settings.network.name][1:]), np.float32), np.zeros(1, int)
    )
    model = settings.network.to_evaluate()
    params = jax.eval_shape(model.init, jax.random.key(0), examples.inputs)["params"]
    return params, narrow.traced(settings.network, params, examples)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.filterwarnings("ignore:nothing is left of")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (shape[1:] == (32, 32, 3)))
        for name, shape in SHAPES.items()
    ],
)
def test_a_pruned_network_computes_the_same_without_its_dead_units(name):
    model = MODELS[name]()
    images = jax.random.normal(jax.random.key(0), SHAPES[name])
    params = jax.jit(model.init)(jax.random.key(1), images)["params"]
    params = apply_mask(params, top_k_mask(params, 0.003))
    alive = remove_dead_units(params, traced(configured(name))[1]).params
    count = [sum(np.count_nonzero(w) for w in jax.tree.leaves(p)) for p in (params, alive)]
    assert count[1] < count[0]
    apply = jax.jit(lambda p: model.apply(variables(p), images))
    np.testing.assert_allclose(apply(alive), apply(params), atol=1e-6)


def test_networks_whose_units_are_joined_are_trained_whole():
    for name in ("vgg_16", "resnet_20"):
        settings = configured(name)
        params, network = traced(settings)
        few = narrow.of_live_units(settings.network, params, network)
        assert few.small(params) is params


class WithoutWidths(nn.Module):
    """A chain of layers that cannot be made with fewer units."""

    classes: int = 10
    dtype: type | None = None

    @nn.compact
    def __call__(self, images):
        x = nn.Dense(20, dtype=self.dtype)(images.reshape(len(images), -1))
        return nn.Dense(self.classes, dtype=self.dtype)(nn.relu(x))


def test_a_network_that_cannot_be_made_smaller_is_trained_whole(monkeypatch):
    monkeypatch.setitem(MODELS, "without_widths", WithoutWidths)
    monkeypatch.setitem(SHAPES, "without_widths", (20, 8, 8, 1))
    settings = configured("without_widths")
    params, network = traced(settings)
    assert narrow.of_live_units(settings.network, params, network).small(params) is params


def test_settings_that_do_not_fit_the_layers_are_refused():
    _, network = traced(settings := configured("lenet_300_100", **{"quantize.by_layer": (2, 2)}))
    with pytest.raises(SettingError, match=r"each of the 3 layers of lenet_300_100 \(Dense_0/kern"):
        check_by_layer(settings, network)
    params, network = traced(settings := configured("vgg_16", **{"prune.widths": (9,) * 14}))
    with pytest.raises(SettingError, match=r"prune.widths=.*: the layers are no chain in which"):
        narrow.of_widths(settings.network, settings.recipe.widths, params, network)
