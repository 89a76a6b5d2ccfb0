"""A network without its unused units is smaller and computes the same."""

import jax
import numpy as np
import pytest

from experiments.layers import CHAINS, LAYERS, input_units
from jaxcomp.models import MODELS
from jaxcomp.prune import expand, first_units, live_units, remove_dead_units, shrink
from jaxcomp.prune.dead_units import BatchNorm, Dense, Residual

IMAGES = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)


def sparse_params(name, seed=0):
    """Parameters of which so few are not zero that many units are dead."""
    rng = np.random.default_rng(seed)
    params = MODELS[name]().init(jax.random.key(seed), IMAGES)["params"]

    def few(w):
        if w.ndim == 1:
            return rng.normal(size=w.shape).astype(np.float32)
        dead = rng.random(w.shape[-1]) < 0.5  # units with nothing coming in
        return np.where((rng.random(w.shape) < 0.05) & ~dead, w, 0)

    params = jax.tree.map(few, params)
    layers = LAYERS[name]
    return remove_dead_units(params, layers, inputs=input_units(layers, IMAGES.shape[1:])).params


@pytest.mark.parametrize("name", CHAINS)
def test_the_small_network_computes_the_same(name):
    params = sparse_params(name)
    live = live_units(params, LAYERS[name])
    small = shrink(params, live)
    widths = [len(units.outputs) for units in live.values()]
    assert all(a < b for a, b in zip(widths, MODELS[name]().widths, strict=False))
    model = MODELS[name](widths=tuple(widths[:-1]))
    np.testing.assert_allclose(
        model.apply({"params": small}, IMAGES),
        MODELS[name]().apply({"params": params}, IMAGES),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", CHAINS)
def test_expanding_is_the_inverse_and_loses_no_nonzero(name):
    params = sparse_params(name)
    live = live_units(params, LAYERS[name])
    back = expand(shrink(params, live), live, params)
    jax.tree.map(np.testing.assert_array_equal, back, params)


def test_a_full_network_stays_as_it_is():
    params = MODELS["lenet_5_caffe"]().init(jax.random.key(0), IMAGES)["params"]
    small = shrink(params, live_units(params, LAYERS["lenet_5_caffe"]))
    jax.tree.map(np.testing.assert_array_equal, small, params)


def test_a_dead_layer_keeps_one_unit():
    params = {n: {"kernel": np.zeros((3, 3)), "bias": np.ones(3)} for n in ("a", "b")}
    small = shrink(params, live_units(params, (Dense("a"), Dense("b"))))
    assert [small[n]["kernel"].shape for n in ("a", "b")] == [(3, 1), (1, 3)]


def test_first_units_are_as_many_as_asked_for():
    params = MODELS["lenet_5_caffe"]().init(jax.random.key(0), IMAGES)["params"]
    live = first_units(params, LAYERS["lenet_5_caffe"], (2, 3, 4))
    small = shrink(params, live)
    shapes = {name: of["kernel"].shape for name, of in small.items()}
    assert list(shapes.values()) == [(5, 5, 1, 2), (5, 5, 2, 3), (16 * 3, 4), (4, 10)]
    whole = expand(small, live, params)
    np.testing.assert_allclose(
        MODELS["lenet_5_caffe"](widths=(2, 3, 4)).apply({"params": small}, IMAGES),
        MODELS["lenet_5_caffe"]().apply({"params": whole}, IMAGES),
        rtol=1e-5,
        atol=1e-5,
    )
    for widths in ((2, 3), (2, 3, 0), (21, 3, 4)):
        with pytest.raises(ValueError, match=r"from 1 to \(20, 50, 500\)"):
            first_units(params, LAYERS["lenet_5_caffe"], widths)


def test_other_layers_are_refused_and_other_parameters_left_alone():
    params = {"a": {"kernel": np.ones((2, 3))}, "b": {"kernel": np.ones((3, 1))}, "c": {"x": 1}}
    layers = (Dense("a"), Dense("b"))
    assert shrink(params, live_units(params, layers))["c"] is params["c"]
    for other in (BatchNorm("n", use_running_average=True), Residual((Dense("a"),))):
        with pytest.raises(ValueError, match=type(other).__name__):
            live_units(params, (Dense("a"), other, Dense("b")))
