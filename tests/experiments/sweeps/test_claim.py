"""The sweep of claim C1, on the digits and in few steps: its measures move the way theory says."""

import json
import sys

import jax
import numpy as np
import pytest

from experiments.sweeps import claim
from experiments.training.objective import cross_entropy
from jaxcomp.data import digits
from jaxcomp.models import MODELS
from jaxcomp.train import NonFiniteLossError
from tests.helpers import RESULTS
from tests.models.variables import random_variables

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.fixture(scope="module")
def splits():
    return digits(0)


def end(splits, name, weight):
    return claim.train(MODELS[claim.MODEL](), splits, name, weight, seed=0, steps=300)


@pytest.mark.slow
def test_the_loss_makes_the_effective_number_of_weights_fall(splits):
    plain, ratio = end(splits, "none", 0.0), end(splits, "l1/l2 global", 0.03)
    first, last = ratio["curve"][0], ratio["curve"][-1]
    assert last["effective_nonzeros"] < 0.5 * first["effective_nonzeros"]
    assert last["live"] < 0.5 * plain["curve"][-1]["live"]
    assert last["validation_accuracy"] > 0.8
    assert [point["step"] for point in ratio["curve"]] == list(range(0, 301, 25))
    assert ratio["composite"]["weights"] == 50_200
    assert "composite" not in plain


def test_the_full_gradient_is_that_of_the_mean_loss(splits):
    model = MODELS[claim.MODEL]()
    params = random_variables(model, splits.train.inputs[:1])["params"]
    loss = cross_entropy(model.apply)
    whole = jax.jit(jax.grad(loss))(params, splits.train)
    parts = claim.full_gradient(loss, params, splits)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), whole, parts)


def test_the_record_is_complete_and_its_means_are_those_of_its_values():
    record = json.loads((RESULTS / "claim_mnist.json").read_text())
    settings = [(s["penalty"], s["weight"]) for s in record["settings"]]
    assert settings == [
        (name, weight) for name, weights in claim.GRID.items() for weight in weights
    ]
    for setting in record["settings"]:
        for measured in setting["end"].values():
            assert len(measured["values"]) >= 5
            np.testing.assert_allclose(measured["mean"], np.mean(measured["values"]), rtol=1e-5)
            assert measured["low"] <= measured["mean"] * (1 + 1e-5) + 1e-9
            assert measured["high"] >= measured["mean"] * (1 - 1e-5) - 1e-9


@pytest.mark.slow
def test_a_sweep_that_was_stopped_goes_on(tmp_path, monkeypatch, splits):
    monkeypatch.setattr(claim, "GRID", {"none": (0.0,)})
    monkeypatch.setattr(
        sys, "argv", ["claim", "--data=digits", "--seeds=1", "--steps=5", f"--workdir={tmp_path}"]
    )
    claim.main()
    (run,) = tmp_path.glob("digits_5_*.json")
    changed = json.loads(run.read_text())
    changed["curve"][-1]["level"] = 123.0
    run.write_text(json.dumps(changed))
    claim.main()  # takes the run that is there
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["settings"][0]["end"]["level"]["values"] == [123.0]


def test_a_run_that_diverges_is_named(tmp_path, monkeypatch):
    def diverges(*arguments):
        raise NonFiniteLossError("not finite at step 3")

    monkeypatch.setattr(claim, "train", diverges)
    monkeypatch.setattr(sys, "argv", ["claim", "--data=digits", f"--workdir={tmp_path}"])
    with pytest.raises(SystemExit, match=r"none of weight 0\.0, seed 0: not finite at step 3"):
        claim.main()


def test_wrong_use(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["claim", "--seeds=0"])
    with pytest.raises(SystemExit) as stop:
        claim.main()
    assert stop.value.code == 2
    assert "must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("data", ["imagenet2012", "sonnets"])
def test_data_that_the_network_cannot_read_are_no_choice(data, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["claim", f"--data={data}"])
    with pytest.raises(SystemExit) as stop:
        claim.main()
    assert stop.value.code == 2
    assert "choose from" in capsys.readouterr().err
