"""What tracing knows of the entries of arrays, rule by rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcomp
from jaxcomp.tracing.constants import constants_of

NAN = np.nan


def known(function, params, x):
    """The result of a function with NaN where it varies."""
    params, x = np.asarray(params, np.float32), np.asarray(x, np.float32)
    network = jaxcomp.trace(function, params, x)
    (output,) = network.program.outputs
    one = constants_of(network.program, [params])[output]
    shape = network.program.shapes[output].shape
    assert one.value.size <= np.prod(shape)
    return np.where(one.varies, NAN, np.broadcast_to(one.value, shape)).tolist()


def same(found, expected):
    np.testing.assert_array_equal(np.asarray(found, np.float32), np.asarray(expected, np.float32))


def test_zero_times_what_comes_in_is_zero():
    same(known(lambda w, x: x * w, [0, 1, 2], [1, 1, 1]), [0, NAN, NAN])
    same(known(lambda w, x: w / x, [0, 1, 2], [1, 1, 1]), [0, NAN, NAN])
    same(known(lambda w, x: x / w, [1, 1, 2], [1, 1, 1]), [NAN, NAN, NAN])


def test_a_selection_of_equal_cases_is_constant():
    same(known(lambda w, x: jnp.where(x > 0, w, 2), [0, 1, 2], [1, 1, 1]), [NAN, NAN, 2])
    same(known(lambda w, x: jnp.where(w > 0, x, w), [0, 1, -2], [1, 1, 1]), [0, NAN, -2])
    same(known(lambda w, x: jax.nn.leaky_relu(x * w), [0, 1, 0], [1, 1, 1]), [0, NAN, 0])
    cases = [lambda w, i=i: w * i for i in range(40)]  # more than numpy.choose takes
    same(known(lambda w, x: lax.switch(x[0].astype(int), cases, w), [0, 1], [1]), [0, NAN])


@pytest.mark.parametrize(
    ("mode", "fill", "expected"),
    [("clip", None, 3), ("fill", None, 3), ("fill", 0, NAN), ("fill", 3, 3), ("wrap", None, 3)],
)
def test_what_is_looked_up_anywhere(mode, fill, expected):
    """A place that is not there gives the filling; if that is NaN, it is taken not to occur."""

    def function(w, x):
        return jnp.take(w, x.astype(jnp.int32), axis=0, mode=mode, fill_value=fill)

    same(known(function, [[3, 1], [3, 2]], [0, 5, 1]), [[expected, NAN]] * 3)


@pytest.mark.parametrize(
    ("mode", "fill", "expected"),
    [("clip", None, [2, 0, 2]), ("fill", 7, [NAN] * 3), ("wrap", None, [2, 0, 1])],
)
def test_what_is_looked_up_at_known_places(mode, fill, expected):
    def function(w, x):
        return jnp.take(w * jnp.ones_like(x), np.array([2, 0, 4]), mode=mode, fill_value=fill)

    same(known(function, [0, 1, 2], [1, 1, 1]), expected)


def test_what_is_cut_out_anywhere_and_at_known_places():
    def cut(w, x, start):
        return lax.dynamic_slice(x * w, (start.astype(jnp.int32), 0), (1, 2))

    same(known(lambda w, x: cut(w, x, x[0, 0]), [[0, 0], [0, 1]], np.ones((2, 2))), [[0, NAN]])
    same(known(lambda w, x: cut(w, x, w[0, 0]), [[0, 0], [0, 1]], np.ones((2, 2))), [[0, 0]])
    # A place that is not there is the last one.
    same(known(lambda w, x: cut(w, x, w[0, 0]), [[7, 0], [0, 1]], np.ones((2, 2))), [[0, NAN]])


def test_windows():
    def sums(padding):
        return lambda w, x: lax.reduce_window(x * w, 0.0, lax.add, (3, 1), (1, 1), padding)

    x = np.ones((4, 2))
    same(known(sums("VALID"), [[0, 1]], x), [[0, NAN]] * 2)
    constant = lambda w, x: sums("SAME")(w, 0 * x + 1)  # noqa: E731
    same(known(constant, [[3, 1]], x), [[6, 2], [9, 3], [9, 3], [6, 2]])

    def largest(padding):
        return lambda w, x: lax.reduce_window(
            0 * x + w, -jnp.inf, lax.max, (2, 1), (2, 1), (padding, (0, 0))
        )

    same(known(largest((1, 1)), [[3, 1]], x), [[3, 1]] * 3)
    # The first window sees no entry.
    same(known(largest((2, 0)), [[3, 1]], x), [[NAN, NAN]] * 3)


@pytest.mark.parametrize(
    ("padding", "dilation", "expected"),
    [
        ((0, 0), 1, [[[8, 4]] * 2]),
        ((0, 1), 1, [[[NAN, NAN]] * 3]),
        ((0, 0), 2, [[[NAN, NAN]] * 4]),
    ],
)
def test_convolutions_with_borders_and_without(padding, dilation, expected):
    def function(w, x):
        images = jnp.stack([0 * x, x, 0 * x + 2], axis=-1)  # of three channels
        return lax.conv_general_dilated(
            images, w, (1,), [padding], (dilation,), dimension_numbers=("NWC", "WIO", "NWC")
        )

    w = [[[5, 1], [0, 0], [3, 2]], [[5, 1], [0, 0], [1, 0]]]
    same(known(function, w, np.ones((1, 3))), expected)
    w[0][1][0] = 1  # what varies meets the first output
    found = known(function, w, np.ones((1, 3)))
    same(found, np.where([True, False], NAN, expected))


def test_products_of_what_varies_in_part():
    same(
        known(lambda w, x: (x * w) @ (x * w.T), [[0, 0], [0, 1]], np.ones((2, 2))),
        [[0, 0], [0, NAN]],
    )
    same(known(lambda w, x: (x * w) @ w, [[0, 0], [0, 1]], np.ones((2, 2))), [[0, 0], [0, NAN]])


def test_an_average_of_constants_is_the_constant():
    def shares(x, axis):
        return jax.nn.softmax(x, axis)

    def values(w, x):
        return 0 * x + w if w.shape == x.shape else x[:, :1] * w[:1] + w[1:]

    x = np.ones((3, 3))
    w = [[1, 0, 0], [0, 2, 7]]
    expected = [[NAN, 2, 7]] * 3
    same(known(lambda w, x: shares(x, 1) @ values(w, x), w, x), expected)
    same(known(lambda w, x: shares(x, 0).T @ values(w, x), w, x), expected)
    same(known(lambda w, x: values(w, x).T @ shares(x, 0), w, x), np.transpose(expected))
    # These sums are not of one.
    varies = [[NAN] * 3] * 3
    same(known(lambda w, x: shares(x, 0) @ values(w, x), w, x), varies)
    same(known(lambda w, x: shares(x, 1) ** 2 @ values(w, x), w, x), varies)
    same(known(lambda w, x: (x / (x + 1).sum(1, keepdims=True)) @ values(w, x), w, x), varies)
    same(known(lambda w, x: (x / x.sum(1)[None]) @ values(w, x), w, x), varies)
    # Values that differ from place to place have an average that varies.
    found = known(lambda w, x: shares(x, 1) @ values(w, x), [[1, 2, 3], [1, 2, 4], [1, 2, 5]], x)
    same(found, [[1, 2, NAN]] * 3)


def test_sums_of_many_and_of_none():
    same(known(lambda w, x: (x * w).sum(axis=0), [[0, 1]], np.ones((5, 2))), [0, NAN])
    same(known(lambda w, x: (0 * x + w).sum(axis=0), [[3, 1]], np.ones((5, 2))), [15, 5])
    same(known(lambda w, x: (0 * x + w).prod(axis=0), [[3, 1]], np.ones((5, 2))), [243, 1])
    empty = np.ones((0, 2))
    same(known(lambda w, x: x.T @ (0 * x + w), [[3, 1]], empty), [[0, 0], [0, 0]])
    top = known(
        lambda w, x: lax.reduce_max_p.bind(0 * x + w, axes=(0,), out_sharding=None), 3, empty
    )
    assert all(np.isnan(one) or one == -np.inf for one in top)


def test_fractions_become_whole_numbers_as_in_xla():
    def function(w, x):
        return (x * 0 + w).astype(jnp.int32).astype(jnp.float32)

    params = [1e12, -1e12, NAN, 2.7]
    expected = np.asarray(function(jnp.asarray(params, jnp.float32), jnp.ones(4)))
    same(known(function, params, [1, 1, 1, 1]), expected)


def test_complex_numbers_keep_their_imaginary_part():
    def function(w, x):
        one = lax.complex(w, w + 0 * x)
        return jnp.imag(one @ one[:, None])

    same(known(function, [1, 2], [1, 1]), [10])


def test_keys_of_random_numbers_vary():
    def function(w, x):
        return x * w + jax.random.normal(jax.random.key(0), (2,))

    same(known(function, [0, 1], [1, 1]), [NAN, NAN])


def test_several_results_of_a_barrier():
    def function(w, x):
        one, other = lax.optimization_barrier((x * w, w))
        return jnp.concatenate([one, other])

    same(known(function, [0, 1], [1, 1]), [0, NAN, 0, 1])


def test_a_loop_over_time_gives_anything():
    def function(w, x):
        return lax.scan(lambda state, one: (state * w + one * 0, None), w, x)[0]

    same(known(function, [0, 1], [[1, 1], [2, 2]]), [NAN, NAN])
