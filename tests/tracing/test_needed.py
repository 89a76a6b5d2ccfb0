"""Which entries of parameters are needed, rule by rule."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcomp
from jaxcomp.tracing.constants import constants_of
from jaxcomp.tracing.finite import first_not_finite, guards
from jaxcomp.tracing.needed import needed_of

X = np.ones((2, 3), np.float32)


def needed(function, *inputs, **params):
    """Which entries of each parameter are needed, as lists of 0 and 1."""
    params = {name: np.asarray(leaf, np.float32) for name, leaf in params.items()}
    network = jaxcomp.trace(function, params, *inputs)
    leaves = [params[name] for name in sorted(params)]
    needs = needed_of(network.program, constants_of(network.program, leaves))
    return {
        name: need.astype(int).tolist() for name, need in zip(sorted(params), needs, strict=True)
    }


def test_of_two_zeros_one_is_needed():
    found = needed(lambda p, x: x[0] * p["a"] * p["b"], X, a=[1, 0, 0], b=[0, 1, 0])
    assert found == {"a": [0, 1, 0], "b": [1, 0, 1]}
    found = needed(lambda p, x: p["a"] * (x[0] * p["b"]), X, a=[1, 0, 0], b=[0, 1, 0])
    assert found == {"a": [0, 1, 1], "b": [1, 0, 0]}
    found = needed(lambda p, x: (x[0] * p["a"]) * (x[1] * p["b"]), X, a=[1, 0, 0], b=[0, 1, 0])
    assert found == {"a": [0, 1, 1], "b": [1, 0, 0]}
    found = needed(lambda p, x: x[0] * (p["a"] * p["b"]), X, a=[1, 0, 0], b=[0, 1, 0])
    assert found == {"a": [0, 1, 0], "b": [1, 0, 1]}


@pytest.mark.parametrize("first", [True, False])
def test_of_two_zeros_in_a_product_one_is_needed(first):
    def function(p, x):
        data = x @ p["a"]
        return data @ p["b"] if first else (p["b"].T @ data.T).T

    found = needed(function, X, a=[[1, 0], [2, 0], [3, 0]], b=[[0, 2], [0, 0]])
    # The second unit is zero, and so is what it meets: the weights behind it stay zero.
    assert found == {"a": [[1, 0]] * 3, "b": [[1, 1], [1, 1]]}


def test_of_two_zeros_in_a_convolution_the_kernel_is_needed():
    def function(p, x):
        images = (x[:, :, None] * p["a"])[:, :, :]
        return lax.conv_general_dilated(
            images, p["k"], (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        )

    found = needed(function, X, a=[[[2, 0, 3]]], k=[[[1, 0], [0, 5], [0, 0]]])
    assert found == {"a": [[[1, 1, 0]]], "k": [[[1, 1], [1, 0], [1, 1]]]}


def test_a_dead_output_of_a_group_needs_nothing_of_its_channel():
    def function(p, x):
        y = lax.conv_general_dilated(
            x[:, None, :] * p["a"],
            p["k"],
            (1,),
            "VALID",
            dimension_numbers=("NWC", "WIO", "NWC"),
            feature_group_count=3,
        )
        return y[:, :, 1:]

    found = needed(function, X, a=[[[1, 2, 3]]], k=[[[1, 1, 1]]])
    assert found == {"a": [[[0, 1, 1]]], "k": [[[0, 1, 1]]]}


def test_what_a_known_selection_drops():
    mask = np.array([True, False, True])
    found = needed(lambda p, x: jnp.where(mask, p["a"], p["b"]) * x[0], X, a=[1, 1, 1], b=[1, 1, 1])
    assert found == {"a": [1, 0, 1], "b": [0, 1, 0]}
    found = needed(lambda p, x: jnp.where(x[0] > 0, p["a"], p["b"]), X, a=[1, 1, 1], b=[1, 1, 1])
    assert found == {"a": [1, 1, 1], "b": [1, 1, 1]}


def test_what_known_places_take():
    found = needed(lambda p, x: p["a"][np.array([2, 0, 2])] * x[0], X, a=[1, 1, 1])
    assert found == {"a": [1, 0, 1]}
    found = needed(lambda p, x: p["a"][np.array([2, 0, 2])][:1] * x[0], X, a=[1, 1, 1])
    assert found == {"a": [0, 0, 1]}

    def permuted(p, x):
        return (x * p["a"])[:, np.array([1, 2, 0])] @ p["b"]

    assert needed(permuted, X, a=[[1, 1, 1]], b=[[0], [1], [0]])["a"] == [[0, 0, 1]]


def test_what_unknown_places_take():
    def function(p, x):
        return jnp.take(p["a"], x[0].astype(int), axis=0, mode="clip") @ p["b"]

    found = needed(function, X, a=np.ones((4, 2)), b=[[1], [0]])
    assert found == {"a": [[1, 0]] * 4, "b": [[1], [1]]}


def test_pieces():
    def function(p, x):
        one, other = jnp.split(p["a"], 2)
        return (
            jnp.stack([one, p["b"]])[:, :1] * x[:, :1] + jnp.concatenate([p["c"], other])[2:, None]
        )

    found = needed(function, X, a=[1, 1, 1, 1], b=[1, 1], c=[1, 1])
    assert found == {"a": [1, 0, 1, 1], "b": [1, 0], "c": [0, 0]}


def test_results_of_a_barrier():
    def function(p, x):
        one, other = lax.optimization_barrier((p["a"], p["b"] * x[0]))
        return one[:1] + other[2:]

    assert needed(function, X, a=[1, 1], b=[1, 1, 1]) == {"a": [1, 0], "b": [0, 0, 1]}


def test_windows_that_move_between_entries():
    def function(p, x):
        y = x[:, None, :] * p["a"]
        y = lax.reduce_window(
            y, 0.0, lax.add, (1, 1, 1), (1, 1, 1), "VALID", base_dilation=(1, 2, 2)
        )
        return y[:, :, :3]

    assert needed(function, X, a=[[[1, 1, 1]]] * 2) == {"a": [[[1, 1, 1]]] * 2}


def test_all_of_a_loop_over_time_is_needed():
    def function(p, x):
        def step(state, one):
            return state * p["a"] + one, state[:1]

        return lax.scan(step, p["b"], x)[1]

    assert needed(function, X, a=[1, 1, 1], b=[1, 1, 1]) == {"a": [1, 1, 1], "b": [1, 1, 1]}


def test_no_entry_is_needed_of_what_nothing_uses():
    assert needed(lambda p, x: x, X, a=[1, 2])["a"] == [0, 0]
    assert needed(lambda p, x: x @ (0 * p["a"]), X, a=[1, 2, 3])["a"] == [0, 0, 0]


def program_of(function, **params):
    params = {name: np.asarray(leaf, np.float32) for name, leaf in params.items()}
    return jaxcomp.trace(function, params, X).program, [params[name] for name in sorted(params)]


def test_guards_are_what_keeps_a_divisor_from_zero():
    def count(function):
        program, _ = program_of(function, s=[1, 2, 3])
        return sum(array in program.parameters for array in guards(program)) + sum(
            operation.outputs[0] in guards(program)
            for operation in program.operations
            if set(operation.inputs) & set(program.parameters)
        )

    assert count(lambda p, x: 1 / (x + p["s"][None])) == 1
    assert count(lambda p, x: lax.rsqrt(jnp.maximum(x, p["s"][None]))) == 1
    assert count(lambda p, x: (x * p["s"][None]) ** -2) == 1
    # A constant of the program is enough; sums are not near zero.
    assert count(lambda p, x: 1 / (1 + abs(x + p["s"][None]))) == 0
    assert count(lambda p, x: x / (x + p["s"][None]).sum(1, keepdims=True)) == 0
    assert count(lambda p, x: x / p["s"][None]) == 0  # it does not follow from data


def test_the_first_array_that_is_not_finite_any_more():
    program, leaves = program_of(
        lambda p, x: jnp.log(p["a"]) + x[0] / p["b"], a=[1, 2, 3], b=[1, 2, 3]
    )
    before = constants_of(program, leaves)
    assert first_not_finite(program, before, before) is None
    log, divisor = (
        constants_of(program, [leaf * (place != i) for i, leaf in enumerate(leaves)])
        for place in range(2)
    )
    assert first_not_finite(program, before, log) == program.operations[0].outputs[0]
    assert first_not_finite(program, before, divisor) in {
        array for operation in program.operations for array in operation.inputs
    }
    # What is infinite before may stay so.
    leaves[0][0] = 0
    infinite = constants_of(program, leaves)
    assert first_not_finite(program, infinite, infinite) is None
