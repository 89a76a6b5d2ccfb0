"""Steps by the price of a bit, beside the cost that they are to make small."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.compression.layers import Layer
from jaxcomp.compression.steps import Steps


def curvatures(rng, matrices=2, inputs=30, outputs=20):
    return np.exp(rng.normal(size=(matrices, inputs))), np.exp(rng.normal(size=(matrices, outputs)))


def cost(steps, by_input, by_output, trade):
    """The error and the bits of small steps, without what is the same for all."""
    h = by_input[:, :, None] * by_output[:, None]
    steps = np.broadcast_to(steps, h.shape)
    return float((h * steps**2 / 12 - trade * np.log2(steps)).sum())


def test_one_step_is_the_best_one():
    by_input, by_output = curvatures(np.random.default_rng(0), matrices=1)
    steps = Steps(by_input, by_output, 1.0, 1e-3, np.float32).one(1.0)
    assert steps.shape == (1, 1, 1)
    # That of the geometric mean; it is the best of all where curvatures are the same.
    h = np.exp(np.log(by_input[:, :, None] * by_output[:, None]).mean())
    assert steps.item() == pytest.approx(math.sqrt(6e-3 / (math.log(2) * h)), rel=0.02)
    same = np.ones((1, 5)), np.full((1, 4), h)
    best = cost(Steps(*same, 1.0, 1e-3, np.float64).one(1.0), *same, 1e-3)
    for share in (0.8, 1.25):
        assert best < cost(Steps(*same, 1.0, 1e-3, np.float64).one(share), *same, 1e-3)


def test_slices_have_steps_of_their_own_where_they_differ():
    by_input, by_output = curvatures(np.random.default_rng(1))
    good = Steps(by_input, by_output, 1.0, 1e-3, np.float32)
    outputs, inputs, matrices = None, None, None
    for steps in good.of_slices(1.0, with_inputs=True):
        if steps.shape == (2, 1, 20):
            outputs = steps
        elif steps.shape == (2, 30, 1):
            inputs = steps
        else:
            matrices = steps
    alone = cost(good.one(1.0), by_input, by_output, 1e-3)
    for steps, by in ((outputs, by_output[:, None]), (inputs, by_input[:, :, None])):
        assert cost(steps, by_input, by_output, 1e-3) < alone
        # Half octaves: never further than a quarter of one, and what 1.5 is beside sqrt(2).
        off = np.log2(steps) + 0.5 * np.log2(by)
        off -= off.mean(axis=(1, 2), keepdims=True)
        assert np.abs(off).max() < 0.35
    assert matrices is None  # which are alike
    assert not list(
        Steps(np.ones((1, 9)), np.ones((1, 4)), 1, 1, np.float32).of_slices(1.0, with_inputs=True)
    )
    far = Steps(np.array([[1.0] * 9, [64.0] * 9]), np.ones((2, 4)), 1.0, 1e-3, np.float32)
    (_, _, matrices) = far.of_slices(1.0, with_inputs=True)
    assert matrices.shape == (2, 1, 1)
    assert matrices[0].item() / matrices[1].item() == pytest.approx(8)


def test_steps_are_of_the_type_and_reach_the_largest_weight():
    by_input, by_output = curvatures(np.random.default_rng(2), matrices=1)
    for dtype in (jnp.bfloat16, np.float16, np.float32):
        for trade in (1e-30, 1e-3, 1e30):
            good = Steps(by_input, by_output, 3.0, trade, np.dtype(dtype))
            for steps in (good.one(1.25), *good.of_slices(1.0, with_inputs=True)):
                np.testing.assert_array_equal(steps, steps.astype(dtype).astype(np.float64))
                assert (3.0 / steps <= 32_767).all()
                assert (steps <= 12.1).all()


def test_inputs_that_meet_nothing_do_not_count():
    by_input, by_output = np.array([[1.0, 1.0, 0.0]]), np.ones((1, 4))
    one = Steps(by_input, by_output, 1.0, 1e-3, np.float32).one(1.0)
    assert one == Steps(by_input[:, :2], by_output, 1.0, 1e-3, np.float32).one(1.0)
    nothing = Steps(np.zeros((1, 3)), by_output, 1.0, 1e-3, np.float32)
    assert np.isfinite(nothing.one(1.0)).all()


@pytest.mark.parametrize(
    ("layer", "beside"),
    [
        (Layer((30, 20), (1,)), {"outputs": (1, 20), "inputs": (30, 1), "matrices": (1, 1)}),
        (Layer((20, 30), (0,)), {"outputs": (20, 1), "inputs": (1, 30), "matrices": (1, 1)}),
        (
            Layer((3, 3, 4, 20), (3,)),
            {"outputs": (1, 1, 1, 20), "inputs": (3, 3, 4, 1), "matrices": (1, 1, 1, 1)},
        ),
        (
            Layer((2, 30, 4, 5), (2, 3), (0,)),
            {"outputs": (2, 1, 4, 5), "inputs": (2, 30, 1, 1), "matrices": (2, 1, 1, 1)},
        ),
        (Layer((3, 2, 8), (2,), groups=4), {"outputs": (1, 1, 8), "matrices": (1, 1, 8)}),
    ],
)
def test_steps_are_beside_the_array(layer, beside):
    rng = np.random.default_rng(3)
    matrices, inputs, outputs = layer.sizes()
    shapes = {"outputs": (1, outputs), "inputs": (inputs, 1), "matrices": (1, 1)}
    for kind, shape in beside.items():
        parts = rng.uniform(1, 2, size=(matrices, *shapes[kind]))
        array = layer.slices(parts)
        assert array.shape == shape
        whole = np.broadcast_to(array, layer.shape)
        assert (layer.matrices(whole) == parts).all()
