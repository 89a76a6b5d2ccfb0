"""Moments of layer inputs, against hooks in the layers and sums written out."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp import trace
from jaxcomp.models import MODELS
from jaxcomp.train import make_mesh, place_batch

RNG = np.random.default_rng(0)
INPUTS = {
    "lenet_5_caffe": RNG.normal(size=(5, 28, 28, 1)).astype(np.float32),
    "resnet_20": RNG.normal(size=(2, 32, 32, 3)).astype(np.float32),
    "transformer": RNG.integers(0, 61, (3, 6)),
}


def patches(x, layer):
    """The inputs of a convolution of Linen, one row for each place, as its kernel has them."""
    sizes, strides = layer.kernel_size, layer.strides or 1
    strides = (strides,) * 2 if isinstance(strides, int) else strides
    pad = layer.padding
    pad = [(pad, pad)] * 2 if isinstance(pad, int) else [(0, 0)] * 2
    x = np.pad(x, [(0, 0), *pad, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, sizes, axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1]]  # [n, h, w, channels, *window]
    return np.moveaxis(windows, 3, -1).reshape(-1, x.shape[-1] * np.prod(sizes))


def by_hooks(model, variables, x):
    """Second moments of what each dense layer and convolution is given."""
    rows = {}

    def hook(call, arguments, options, context):
        layer = context.module
        if isinstance(layer, nn.Dense | nn.Conv) and context.method_name == "__call__":
            given = arguments[0]
            own = patches(given, layer) if isinstance(layer, nn.Conv) else given
            rows["/".join(layer.path)] = np.asarray(own).reshape(-1, own.shape[-1])
        return call(*arguments, **options)

    with nn.intercept_methods(hook):
        model.apply(variables, x)
    return {name: own.T @ own / len(own) for name, own in rows.items()}


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(
    "name",
    [
        "lenet_5_caffe",
        pytest.param("resnet_20", marks=pytest.mark.slow),
        pytest.param("transformer", marks=pytest.mark.slow),
    ],
)
def test_they_are_those_of_hooks(name):
    model, x = MODELS[name](), INPUTS[name]
    variables = jax.jit(model.init)(jax.random.key(0), x)
    network = trace(model.apply, variables, x[:1])
    moments = network.input_moments(variables, [x[:1], x[1:]])["params"]
    diagonals = network.input_moments(variables, [x], diagonal=True)["params"]
    expected = by_hooks(model, variables, x)
    assert expected
    for path, second in expected.items():
        one, own = moments, diagonals
        for part in path.split("/"):
            one, own = one[part], own[part]
        size = np.abs(second).max()
        np.testing.assert_allclose(one["kernel"], second, atol=1e-5 * size)
        np.testing.assert_allclose(own["kernel"], np.diagonal(second), atol=1e-5 * size)


def moments_of(apply, params, x, **options):
    network = trace(apply, params, x)
    return jax.tree.map(np.asarray, network.input_moments(params, [x], **options))


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def test_stacked_layers_have_a_matrix_each():
    w, x = normal(3, 4, 4), normal(6, 4)

    def apply(w, x):
        return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0]

    found = moments_of(apply, w, x)
    assert found.shape == (3, 4, 4)
    for layer in range(3):
        np.testing.assert_allclose(found[layer], x.T @ x / 6, rtol=1e-5)
        x = np.tanh(x @ w[layer])


def test_groups_have_a_matrix_each():
    x, w = normal(2, 7, 4), normal(3, 2, 6)

    def apply(w, x):
        return jax.lax.conv_general_dilated(
            x, w, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=2
        )

    windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)  # [n, places, channels, 3]
    rows = windows.swapaxes(2, 3).reshape(-1, 3, 2, 2)  # [rows, window, groups, channels]
    expected = [rows[:, :, g].reshape(-1, 6).T @ rows[:, :, g].reshape(-1, 6) for g in (0, 1)]
    np.testing.assert_allclose(moments_of(apply, w, x), np.array(expected) / len(rows), rtol=1e-5)


LAYOUTS = {
    # A kernel, how it is used, and the rows that it meets in the order of its own axes.
    "torch": (normal(3, 4), lambda w, x: x @ w.T, lambda x: x),
    "heads": (
        normal(2, 2, 5),
        lambda w, x: jnp.einsum("bhd,dho->bo", x.reshape(-1, 2, 2), w),
        lambda x: x.reshape(-1, 2, 2).swapaxes(1, 2).reshape(-1, 4),
    ),
    "fused": (normal(4, 6), lambda w, x: sum(x @ p for p in jnp.split(w, 3, 1)), lambda x: x),
    "standardized": (normal(4, 6), lambda w, x: x @ (w - w.mean(0, keepdims=True)), lambda x: x),
    "reversed blocks": (
        normal(4, 6),
        lambda w, x: x[:, :2] @ w[2:] + 0 * (x[:, 2:] @ w[:2]),
        lambda x: None,
    ),
}


@pytest.mark.parametrize("layout", ["torch", "heads", "standardized"])
def test_inputs_are_in_the_order_of_the_weight(layout):
    w, apply, rows = LAYOUTS[layout]
    x = normal(8, 4)
    own = rows(x)
    np.testing.assert_allclose(moments_of(apply, w, x), own.T @ own / 8, rtol=1e-5)


def test_parts_of_a_kernel_add_to_their_own_inputs():
    x = normal(8, 4)
    w, apply, _ = LAYOUTS["reversed blocks"]
    found = moments_of(apply, w, x)
    # Both parts meet eight rows, so that the mean is over sixteen.
    np.testing.assert_allclose(found[2:, 2:], x[:, :2].T @ x[:, :2] / 16, rtol=1e-5)
    np.testing.assert_allclose(found[:2, :2], x[:, 2:].T @ x[:, 2:] / 16, rtol=1e-5)
    assert not found[:2, 2:].any()
    np.testing.assert_allclose(
        moments_of(LAYOUTS["fused"][1], LAYOUTS["fused"][0], x), x.T @ x / 8, rtol=1e-5
    )


def test_a_loop_over_time_counts_every_step():
    w, x, steps = normal(3, 3), normal(2, 3), normal(5, 2, 3)

    def apply(w, x):
        return jax.lax.scan(lambda s, t: (jnp.tanh(s @ w + t), None), x, jnp.asarray(steps))[0]

    expected, state = 0, x
    for step in steps:
        expected = expected + state.T @ state
        state = np.tanh(state @ w + step)
    np.testing.assert_allclose(moments_of(apply, w, x), expected / 10, rtol=1e-4)


def test_data_on_eight_devices_give_the_same():
    x = normal(16, 4)
    spread = place_batch(x, make_mesh(8, 1, 1))
    w = normal(4, 3)
    network = trace(lambda w, x: x @ w, w, x)
    np.testing.assert_allclose(
        network.input_moments(w, [spread]), network.input_moments(w, [x]), rtol=1e-6
    )


def test_mistakes_are_named():
    w, x = normal(4, 3), normal(2, 4)
    network = trace(lambda w, x: x @ w, w, x)
    with pytest.raises(ValueError, match="there are no batches"):
        network.input_moments(w, [])


def test_weights_that_are_not_understood_have_none():
    x = normal(2, 4)
    twice = moments_of(lambda w, x: x @ w + x @ w.T, normal(4, 4), x)
    assert twice is None
    factors = {"a": normal(4, 2), "b": normal(2, 3)}
    assert moments_of(lambda p, x: x @ (p["a"] @ p["b"]), factors, x) == {"a": None, "b": None}
