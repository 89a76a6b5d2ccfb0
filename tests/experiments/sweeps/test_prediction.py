"""The committed record of the composite condition on a trained network, and the code behind it."""

import json

import jax
import numpy as np
import pytest

from experiments.sweeps import prediction
from jaxcomp.data import digits
from tests.helpers import RESULTS


@pytest.mark.usefixtures("x64")
def test_the_data_term_is_a_smooth_function_of_all_weights():
    loss, w = jax.jit(prediction.data_term(digits(0).train)), np.asarray(prediction.start(0))
    assert w.shape == (592,)
    direction = np.random.default_rng(0).normal(size=592)
    slope = np.vdot(jax.grad(loss)(w), direction)
    difference = (loss(w + 1e-5 * direction) - loss(w - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_the_record_reaches_a_stationary_point_in_every_run_and_obeys_the_condition_there():
    record = json.loads((RESULTS / "prediction.json").read_text())
    assert len({run["seed"] for run in record["runs"]}) >= 5
    for run in record["runs"]:
        first, last = run["path"][0], run["path"][-1]
        assert last["subgradient_norm"] < 1e-8
        assert last["worst_residual"] < 1e-8 < first["worst_residual"]
        assert last["correlation"] > 1 - 1e-9
        assert last["held"] == 1
        assert 1 < last["on_support"] < 592
