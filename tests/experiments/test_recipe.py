"""The recipe with a narrow start: what comes out is whole, and as sparse as was asked for."""

import jax
import numpy as np
import pytest

from experiments.configuration import DEFAULT, load
from experiments.recipe import train_and_compress
from jaxcomp.data import digits
from jaxcomp.models import MODELS
from jaxcomp.trees import select


@pytest.fixture(scope="module")
def run():
    """Outcome of a short run from 20 and 10 units, and what was watched."""
    config = load(DEFAULT)
    config.update_from_flattened_dict(
        {
            "train.steps": 20,
            "distill.weight": 0.5,
            "penalty.steps": 200,
            "prune.steps": 100,
            "prune.widths": (20, 10),
            "prune.density": 0.02,
            "finetune.steps": 5,
            "quantize.steps": 20,
        }
    )
    seen = []

    def watch(phase, to_params):
        return lambda state: seen.append((phase, to_params(state.params)))

    model = MODELS[config.model]()
    with jax.numpy_dtype_promotion("standard"):
        return train_and_compress(config, model, digits(0), watch), seen


def shapes(params):
    return jax.tree.map(np.shape, params)


def test_all_that_is_seen_has_the_shapes_of_the_whole_network(run):
    outcome, seen = run
    expected = shapes(outcome.dense)
    assert all(shapes(params) == expected for params in outcome)
    assert {phase for phase, _ in seen} == {"dense", "penalty", "fine-tune", "quantize"}
    assert all(shapes(params) == expected for _, params in seen)


def test_as_many_weights_as_asked_for_in_the_first_units(run):
    outcome, _ = run
    weights = select(outcome.penalized, None)
    assert sum(np.count_nonzero(w) for w in weights) == round(0.02 * 50_200)
    first, second, _ = weights
    assert not np.asarray(first)[:, 20:].any()
    assert not np.asarray(second)[20:].any()
    assert not np.asarray(second)[:, 10:].any()
    assert np.count_nonzero(outcome.compressed["Dense_0"]["kernel"]) > 0
