"""Rows of inputs times the matrices of a parameter are rows of outputs, in any layout."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp import trace
from jaxcomp.compression.in_order import layers_of
from jaxcomp.compression.layers import Layer
from jaxcomp.models import MODELS
from jaxcomp.tracing import sensitivities
from jaxcomp.tracing.moments import evaluate, program_of
from jaxcomp.tracing.rows import rows_of
from jaxcomp.tracing.sensitivities import output_sensitivities

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def check(apply, params, *inputs):
    """Compare all products of a program with those of matrices; return how many there were."""
    network = trace(apply, params, *inputs)
    layers, leaves = layers_of(network), jax.tree.leaves(params)
    program = program_of(network, params, inputs)
    meetings, seen = rows_of(network, program), []

    def look(operation, values, results):
        for rows in meetings.get(operation.outputs, ()):
            w = layers[rows.leaf].matrices(np.asarray(leaves[rows.leaf]))
            assert w.shape == (rows.matrices, rows.inputs, rows.outputs)
            # Of parts of a parameter: the inputs and outputs of this product.
            own = w[rows.matrix[:, None, None], rows.ins_at[:, :, None], rows.outs_at[:, None]]
            expected = np.einsum("bri,bio->bro", np.asarray(rows.ins(values)), own)
            found = np.asarray(rows.outs(results[0]))
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
            seen.append(rows.leaf)
            one = rows.field(expected[:, 0])  # a row put in the place of all
            assert one.ndim == results[0].ndim
            same = np.broadcast_to(one, results[0].shape)
            every = np.asarray(rows.outs(jnp.asarray(same)))
            np.testing.assert_array_equal(every, np.broadcast_to(expected[:, :1], every.shape))
        return results

    evaluate(program, params, inputs, look)
    return len(seen)


@pytest.mark.parametrize(
    ("shape", "apply"),
    [
        ((4, 6), lambda w, x: x @ w),
        ((6, 4), lambda w, x: x @ w.T),
        ((6, 4), lambda w, x: (w @ x.T).T),
        ((4, 2, 3), lambda w, x: jnp.einsum("bd,dhk->bhk", x, w)),
        ((2, 2, 5), lambda w, x: jnp.einsum("bhd,dho->bo", x.reshape(-1, 2, 2), w)),
        ((2, 2, 3), lambda w, x: jnp.einsum("bhd,hdo->bho", x.reshape(-1, 2, 2), w)),
        ((4, 6), lambda w, x: sum(x @ part for part in jnp.split(w, 3, 1))),
        ((4, 6), lambda w, x: x[:, :2] @ w[:2] + x[:, 2:] @ w[2:]),
        ((3, 4, 4), lambda w, x: jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0]),
    ],
)
def test_dense_layers(shape, apply):
    assert check(apply, normal(*shape), normal(5, 4)) >= 1


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("layout", ["flax", "torch"])
def test_convolutions(groups, layout):
    numbers = ("NHWC", "HWIO", "NHWC") if layout == "flax" else ("NCHW", "OIHW", "NCHW")
    kernel = (3, 2, 4 // groups, 8) if layout == "flax" else (8, 4 // groups, 3, 2)
    x = normal(2, 6, 7, 4) if layout == "flax" else normal(2, 4, 6, 7)

    def apply(w, x):
        options = {"dimension_numbers": numbers, "feature_group_count": groups}
        return jax.lax.conv_general_dilated(x, w, (2, 1), "SAME", **options)

    assert check(apply, normal(*kernel), x) == 1


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(
    ("name", "shape", "products"),
    [
        ("lenet_5_caffe", (2, 28, 28, 1), 4),
        pytest.param("resnet_20", (1, 32, 32, 3), 20, marks=pytest.mark.slow),
    ],
)
def test_models(name, shape, products):
    model, x = MODELS[name](), normal(*shape)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    assert check(model.apply, variables, x) == products


def test_sums_of_products_are_where_the_array_has_its_inputs():
    """Of what is multiplied now with what was before, with a part of the inputs."""
    w, x, z = normal(6, 5), normal(7, 4), normal(7, 4)
    network = trace(lambda w, x: x @ w[2:], w, x)
    program = program_of(network, w, (x,))
    ((rows,),) = rows_of(network, program).values()
    found = np.asarray(rows.sum_of_products(x[None], z[None]))
    expected = np.zeros((1, 6, 6))
    expected[0, 2:, 2:] = x.T @ z
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    by_output = np.asarray(rows.sum_of_products_of_outputs(normal(1, 7, 5)))
    assert by_output.shape == (1, 5, 5)


def test_depthwise_convolutions_of_linen():
    layer = nn.Conv(6, (3,), feature_group_count=3)
    x = normal(2, 5, 3)
    params = layer.init(jax.random.key(0), x)["params"]
    assert check(lambda p, x: layer.apply({"params": p}, x), params, x) == 1


@pytest.mark.parametrize("seed", range(10))
def test_matrices_and_back(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, size=rng.integers(2, 6)))
    axes = rng.permutation(len(shape))
    outputs, stack = tuple(sorted(axes[:1])), tuple(sorted(axes[1 : rng.integers(1, len(shape))]))
    groups = int(rng.choice([n for n in range(1, 5) if shape[outputs[0]] % n == 0]))
    layer, w = Layer(shape, outputs, stack, groups), rng.normal(size=shape)
    matrices = layer.matrices(w)
    assert matrices.shape == layer.sizes()
    np.testing.assert_array_equal(layer.array(matrices), w)
    assert np.sort(matrices.ravel()).tolist() == np.sort(w.ravel()).tolist()


def test_sensitivities_are_products_of_derivatives(monkeypatch):
    """Of one layer, by hand: the loss is the sum of squares of its outputs over two."""
    w, x = normal(4, 3), normal(7, 4)
    network = trace(lambda w, x: x @ w, w, x)

    def found():
        examples = [((x,), None)]
        return output_sensitivities(
            network, w, examples, lambda y, targets: (y**2).sum(axis=1) / 2, jax.random.key(0)
        ).products[0]

    y = x @ w
    np.testing.assert_allclose(found(), (y.T @ y / 7)[None], rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(sensitivities, "MOST_OUTPUTS", 2)
    np.testing.assert_allclose(found(), (y**2).mean(axis=0)[None], rtol=1e-4)


def test_sensitivities_of_patches_add_up_over_places():
    w, x = normal(2, 1, 3), normal(5, 6, 1)

    def apply(w, x):
        options = {"dimension_numbers": ("NWC", "WIO", "NWC")}
        return jax.lax.conv_general_dilated(x, w, (1,), "VALID", **options)

    def loss(y, targets):
        return (y**2).sum(axis=(1, 2)) / 2

    found = output_sensitivities(trace(apply, w, x), w, [((x,), None)], loss, jax.random.key(0))
    y = apply(w, x).reshape(-1, 3)
    np.testing.assert_allclose(found.products[0][0], y.T @ y / 5, rtol=1e-4, atol=1e-5)
