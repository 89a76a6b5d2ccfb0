"""The comparison of penalties: equal effort, choice on validation data, runs made once."""

import json
import sys

import pytest

from experiments.configuration import DEFAULT, load
from experiments.sweeps import baselines
from jaxcomp.data import digits

pytestmark = pytest.mark.usefixtures("standard_promotion")

SHORT = {
    "train.steps": 1,
    "penalty.steps": 300,
    "prune.steps": 200,
    "finetune.steps": 0,
    "gap.steps": 50,
    "quantize.steps": 200,
}


@pytest.fixture
def config():
    config = load(DEFAULT)
    config.update_from_flattened_dict(SHORT)
    return config


def test_every_method_but_none_tries_as_many_weights():
    for name, (_, weights) in baselines.METHODS.items():
        assert len(set(weights)) == (1 if name == "none" else 3), name


@pytest.mark.parametrize("name", baselines.METHODS)
def test_every_method_can_be_configured_and_changes_only_what_is_its_own(config, name):
    weight = baselines.METHODS[name][1][-1]
    own = baselines.configured(config, name, weight, 7)
    assert (own.seed, own.penalty.weight) == (7, weight)
    assert (own.gap.weight > 0) == name.endswith("+ gap")
    for shared in ("prune", "quantize", "finetune", "biases", "data", "distill"):
        assert own[shared] == config[shared]


@pytest.mark.parametrize(
    ("name", "test"), [("l0 hard-concrete", False), ("prox of l1/l2", True)], ids=str
)
def test_a_run_gives_what_was_read_from_its_file(config, name, test):
    own = baselines.configured(config, name, baselines.METHODS[name][1][0], 0)
    result = baselines.run(own, digits(0), test=test)
    assert result["nonzero_weights"] <= round(0.07 * 50_200)
    assert 1_000 < result["bytes"] < 5_000
    assert result["validation_error"] < 50
    assert ("test_error" in result) == test


def test_a_run_that_diverges_is_not_chosen(config):
    own = baselines.configured(config, "l2", 2e-4, 0)
    own.penalty.learning_rate = 1e30
    result = baselines.run(own, digits(0), test=False)
    assert result["validation_error"] == 100
    assert "not finite" in result["diverged"]
    assert baselines.summary([result])["diverged"] == 1


def test_the_command_chooses_on_validation_and_makes_no_run_twice(tmp_path, monkeypatch):
    made = []

    def run(config, splits, *, test):
        made.append((config.penalty.weight, config.seed, test))
        error = 2.0 if config.penalty.weight == 2e-4 else 3.0
        result = {"validation_error": error, "bytes": 10, "nonzero_weights": 5}
        return {**result, "test_error": 2.5} if test else result

    monkeypatch.setattr(baselines, "run", run)
    command = ["baselines", f"--config={DEFAULT}", "--seeds=2", "--only", "l2"]
    monkeypatch.setattr(sys, "argv", [*command, f"--workdir={tmp_path}"])
    for _ in range(2):
        baselines.main()
    tuning = [(weight, baselines.TUNING_SEED, False) for weight in (5e-5, 2e-4, 8e-4)]
    assert made == [*tuning, (2e-4, 0, True), (2e-4, 1, True)]
    (row,) = json.loads((tmp_path / "record.json").read_text())["methods"]
    assert (row["method"], row["weight"]) == ("l2", 2e-4)
    assert row["test_error"]["mean"] == 2.5
