"""A network without its unused units is smaller and computes the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp import trace
from jaxcomp.models import MODELS
from jaxcomp.prune import expand, first_units, live_units, remove_dead_units, shrink
from jaxcomp.tracing import NotAChainError

IMAGES = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
CHAINS = ("lenet_300_100", "lenet_5_caffe")


def traced(name):
    model = MODELS[name]()
    params = jax.eval_shape(model.init, jax.random.key(0), IMAGES)["params"]
    return trace(lambda p, x: model.apply({"params": p}, x), params, IMAGES)


def initial(name, seed=0):
    return jax.jit(MODELS[name]().init)(jax.random.key(seed), IMAGES)["params"]


def outputs(name, params, **fields):
    return jax.jit(MODELS[name](**fields).apply)({"params": params}, IMAGES)


def sparse_params(name):
    """Parameters of which so few are not zero that many units are dead."""
    rng = np.random.default_rng(0)

    def few(w):
        if w.ndim == 1:
            return rng.normal(size=w.shape).astype(np.float32)
        dead = rng.random(w.shape[-1]) < 0.5  # units with nothing coming in
        return np.where((rng.random(w.shape) < 0.05) & ~dead, w, 0)

    return remove_dead_units(jax.tree.map(few, initial(name)), traced(name)).params


@pytest.mark.parametrize("name", CHAINS)
def test_the_small_network_computes_the_same(name):
    params = sparse_params(name)
    live = live_units(params, traced(name))
    assert all(a < b for a, b in zip(live.widths, MODELS[name]().widths, strict=True))
    np.testing.assert_allclose(
        outputs(name, shrink(params, live), widths=live.widths),
        outputs(name, params),
        rtol=1e-5,
        atol=1e-5,
    )
    jax.tree.map(np.testing.assert_array_equal, expand(shrink(params, live), live, params), params)


def test_a_full_network_stays_as_it_is():
    params = initial("lenet_5_caffe")
    small = shrink(params, live_units(params, traced("lenet_5_caffe")))
    jax.tree.map(np.testing.assert_array_equal, small, params)


def chain(params, x):
    """Two layers in the layout of Torch, the second without bias."""
    return params["b"] @ jnp.maximum(params["a"]["w"] @ x + params["a"]["b"][:, 0], 0)


def in_torch_layout(hidden):
    shape = jax.ShapeDtypeStruct
    params = {
        "a": {"w": shape((hidden, 2), np.float32), "b": shape((hidden, 1), np.float32)},
        "b": shape((3, hidden), np.float32),
        "c": shape((5,), np.float32),
    }
    return trace(chain, params, shape((2,), np.float32))


def test_units_are_found_in_any_layout_and_other_parameters_left_alone():
    params = {
        "a": {"w": np.arange(8.0).reshape(4, 2), "b": np.arange(4.0)[:, None]},
        "b": np.array([[0, 1, 0, 2], [0, 0, 0, 0], [0, 0, 0, 3]], float),
        "c": np.ones(5),
    }
    live = live_units(params, in_torch_layout(4))
    small = shrink(params, live)
    assert live.widths == (2,)
    assert small["a"]["w"].tolist() == [[2, 3], [6, 7]]
    assert small["a"]["b"].tolist() == [[1], [3]]
    assert small["b"].tolist() == [[1, 2], [0, 0], [0, 3]]
    assert small["c"] is params["c"]


def test_a_dead_layer_keeps_one_unit():
    params = {
        "a": {"w": np.ones((4, 2)), "b": np.ones((4, 1))},
        "b": np.zeros((3, 4)),
        "c": np.ones(5),
    }
    small = shrink(params, live_units(params, in_torch_layout(4)))
    assert (small["a"]["w"].shape, small["b"].shape) == ((1, 2), (3, 1))


def test_first_units_are_as_many_as_asked_for():
    network, params = traced("lenet_5_caffe"), initial("lenet_5_caffe")
    live = first_units(network, (2, 3, 4))
    small = shrink(params, live)
    shapes = {name: of["kernel"].shape for name, of in small.items()}
    assert list(shapes.values()) == [(5, 5, 1, 2), (5, 5, 2, 3), (16 * 3, 4), (4, 10)]
    whole = expand(small, live, params)
    np.testing.assert_allclose(
        outputs("lenet_5_caffe", small, widths=(2, 3, 4)),
        outputs("lenet_5_caffe", whole),
        rtol=1e-5,
        atol=1e-5,
    )
    for widths in ((2, 3), (2, 3, 0), (21, 3, 4)):
        with pytest.raises(ValueError, match=r"from 1 to \(20, 50, 500\)"):
            first_units(network, widths)


def scaled(params, x):
    return jnp.maximum(x @ params["a"], 0) * jnp.exp(params["s"])[None] @ params["b"]


@pytest.mark.parametrize(
    ("apply", "what"),
    [
        (lambda p, x: x @ p["a"] @ p["b"] + (x @ p["a"]) @ p["b"], "used twice|joins arrays"),
        (lambda p, x: jax.nn.softmax(x @ p["a"]) @ p["b"], "used twice"),
        (lambda p, x: jnp.cumsum(x @ p["a"], 1) @ p["b"], "`cumsum` is in the way"),
        (lambda p, x: (x @ p["a"]).sum(1, keepdims=True) * p["b"][:1], "`reduce_sum` adds units"),
        (scaled, "what meets units is computed from parameters"),
    ],
)
def test_networks_in_which_no_unit_can_be_taken_out_are_named(apply, what):
    params = {"a": np.ones((2, 3), np.float32), "b": np.ones((3, 1), np.float32)}
    params["s"] = np.ones(3, np.float32)
    network = trace(apply, params, np.ones((1, 2), np.float32))
    with pytest.raises(NotAChainError, match=what):
        live_units(params, network)
