"""The benchmark of recipes: what its methods make, and its table."""

import jax
import numpy as np
import pytest

from experiments.benchmarks import recipe_networks
from experiments.benchmarks.recipe_subjects import SUBJECTS
from experiments.report import recipe_table
from tests.recipe.regression import VALIDATION, batch, loss, start


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("method", ["by_hand", "int8_zstd19"])  # the other has tests of its own
def test_every_method_makes_a_file_that_is_small_enough(method):
    params = start()
    subject = SUBJECTS["regression_dicts"](0)._replace(
        params=params,
        loss=loss,
        batches=batch,
        network=None,
        validation=VALIDATION,
        quality=lambda params, state: float(loss(params, VALIDATION[0], None)),
        steps=400,
    )
    row = recipe_networks.measured(subject, method, 5, seed=0)
    assert row["most_bytes"] == 4 * 705 // 5
    assert row["bytes"] <= row["most_bytes"]
    assert row["quality"] < 0.5


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", ["digits_equinox", "sonnets_linen", "regression_dicts"])
def test_networks_have_a_loss_a_network_and_data(name):
    subject = SUBJECTS[name](0)
    key = jax.random.key(0)
    for examples in (subject.batches(0), subject.validation[0]):
        assert jax.eval_shape(subject.loss, subject.params, examples, key).shape == ()
    assert len(subject.network.weights) >= 3
    first, again, second = (subject.batches(step) for step in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], second[0])


def test_the_table_has_means_over_the_seeds():
    rows = [
        {"method": "for_size", "times_smaller": 20, "most_bytes": 1_500, "bytes": size}
        | {"quality": quality, "unit": "% wrong", "seed": seed}
        for seed, (size, quality) in enumerate(((1_400, 2.0), (1_500, 3.0)))
    ]
    rows.append(rows[0] | {"times_smaller": 5, "method": "by_hand"})
    found = list(recipe_table.rows({"digits": {"rows": rows}}))
    assert found == [
        ("digits, % wrong", "5", "1,500", "-", "2 in 1,400 B", "-", "1"),
        ("digits, % wrong", "20", "1,500", "2.5 (2 to 3) in 1,450 B", "-", "-", "2"),
    ]


def test_the_networks_of_the_table_are_those_that_are_measured():
    assert tuple(SUBJECTS) == recipe_table.NETWORKS
