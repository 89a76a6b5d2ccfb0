"""What the table of quantizers says of them is so."""

import jax
import numpy as np
import pytest

from jaxcomp.parametrized import is_parametrized, values
from jaxcomp.quantizers import AT_ONCE, QUANTIZERS, TRAINED
from tests.helpers import small_params

NUMBERS = {"ternary": None, "codebook": 5, "bits": 3, "step": 0.25, "levels": 2}
VALUES = {"ternary": 3, "codebook": 5, "bits": 7, "levels": 5}  # at most, of an array
W = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)


def test_each_quantizer_can_be_used():
    assert NUMBERS.keys() == QUANTIZERS.keys() == {*AT_ONCE, *TRAINED}


@pytest.mark.parametrize("name", AT_ONCE)
def test_at_once(name):
    quantizer = QUANTIZERS[name]
    rounding = quantizer.rounding(NUMBERS[name])
    few = rounding(W).values()
    assert few.shape == W.shape
    if name == "step":
        np.testing.assert_array_equal(few % NUMBERS[name], 0)
    else:
        assert len(np.unique(few)) <= VALUES[name]
    assert np.linalg.norm(few - W) < 0.6 * np.linalg.norm(W)
    if quantizer.at_once.per_unit:
        each = rounding(W, axis=1).values()
        assert all(len(np.unique(column)) <= VALUES[name] for column in each.T)
        assert len(np.unique(each)) > VALUES[name]
    else:
        with pytest.raises(TypeError):
            rounding(W, axis=1)


@pytest.mark.parametrize("name", TRAINED)
def test_trained(name):
    params, quantizer = small_params(), QUANTIZERS[name].trained
    mask = jax.tree.map(lambda w: w.ndim == 2, params)
    options = {"mask": mask, "network": None, "level": "theorem"}

    def few(per):
        trained = quantizer.function(params, NUMBERS[name], per=per, **options)
        nodes = jax.tree.leaves(trained, is_leaf=is_parametrized)
        assert [is_parametrized(node) for node in nodes] == jax.tree.leaves(mask)
        return [w for w in jax.tree.leaves(values(trained)) if w.ndim == 2]

    assert all(len(np.unique(w)) <= VALUES[name] for w in few("tensor"))
    if quantizer.per_unit:
        assert max(len(np.unique(w)) for w in few("unit")) > VALUES[name]


@pytest.mark.parametrize("name", [name for name in QUANTIZERS if QUANTIZERS[name].number])
@pytest.mark.parametrize("number", [0, -1, float("nan"), "a", None])
def test_numbers_that_cannot_be_are_refused_by_their_name(name, number):
    with pytest.raises((ValueError, TypeError), match="the number must be"):
        QUANTIZERS[name].check("the number", number)
    QUANTIZERS[name].check("the number", NUMBERS[name])
