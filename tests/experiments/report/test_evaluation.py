"""What networks are judged by."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.report.evaluation import same_arrays

TREE = {"a": np.array([1.0, 0.0], np.float32), "b": {"c": jnp.ones((2, 1))}}


def test_trees_are_the_same_whatever_holds_their_arrays():
    assert same_arrays(TREE, {"a": jnp.array([1.0, 0.0]), "b": {"c": np.ones((2, 1), np.float32)}})


@pytest.mark.parametrize(
    "other",
    [
        {"a": TREE["a"]},
        {**TREE, "a": np.array([1.0, -0.0], np.float32)},
        {**TREE, "a": np.array([1.0, 0.0], np.float64)},
        {**TREE, "a": TREE["a"].view(np.int32)},
        {**TREE, "b": {"c": np.ones((1, 2), np.float32)}},
    ],
    ids=["structure", "sign of a zero", "type", "type of the same bits", "shape"],
)
def test_any_difference_is_seen(other):
    assert not same_arrays(TREE, other)
