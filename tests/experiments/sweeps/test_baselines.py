"""The comparison of penalties: equal effort, choice on validation data, runs made once."""

import itertools
import json
import math
import sys

import pytest

from experiments.settings.flags import DEFAULT, load
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


def test_every_penalty_tries_as_many_weights():
    for name, (_, weights) in baselines.ARMS.items():
        assert len(set(weights)) == (1 if name.startswith("none") else 3), name


@pytest.mark.parametrize("name", baselines.ARMS)
def test_every_penalty_can_be_configured_and_changes_only_what_is_its_own(config, name):
    weight = baselines.ARMS[name][1][-1]
    own = baselines.configured(config, name, weight, 2e-3, 7)
    assert (own.seed, own.penalty.strength, own.penalty.learning_rate) == (7, weight, 2e-3)
    assert own.penalty.decoupled == ("decoupled" in name)
    for shared in ("prune", "gap", "quantize", "finetune", "biases", "data", "distill"):
        assert own[shared] == config[shared]


@pytest.mark.parametrize("name", baselines.ENDINGS)
def test_all_endings_have_as_many_steps(config, name):
    own = baselines.ending(config, name)
    assert own.gap.steps + own.quantize.steps == config.quantize.steps
    assert (own.gap.steps > 0) == (own.gap.strength > 0) == ("gap" in name)
    assert own.quantize.number == (2 if name == "two levels" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("test", [False, True])
def test_a_run_gives_what_was_read_from_its_files(config, test):
    own = baselines.configured(config, "prox of l1/l2", 1e-5, 2e-3, 0)
    result = baselines.run(own, digits(0), test=test)
    assert list(result) == ["float", *(baselines.ENDINGS if test else [baselines.JUDGED])]
    for name, network in result.items():
        assert network["nonzero_weights"] <= round(0.07 * 50_200)
        assert network["validation_error"] < 50
        assert ("test_error" in network) == test
        assert name == "float" or 1_000 < network["bytes"] < 5_000
    assert baselines.validation_error(result) == result[baselines.JUDGED]["validation_error"]


@pytest.mark.slow
def test_a_run_that_diverges_is_not_chosen(config):
    own = baselines.configured(config, "l2", 2e-4, 1e30, 0)
    result = baselines.run(own, digits(0), test=False)
    assert "not finite" in result["diverged"]
    assert baselines.validation_error(result) == 100
    assert baselines.summary([result]) == {}


def test_a_grid_grows_until_the_best_is_inside():
    asked = []

    def cost(setting):
        asked.append(setting)
        weight, rate = setting
        return abs(math.log10(weight / 1e-6)) + abs(math.log10(rate / 8e-3))

    tried = baselines.explored(((1e-4, 1e-3, 1e-2), (2e-3, 8e-3)), cost, widest=9)
    assert min(tried, key=tried.get) == (1e-6, 8e-3)
    assert len(asked) == len(set(asked)) == len(tried)
    assert sorted({weight for weight, _ in tried}) == [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
    assert sorted({rate for _, rate in tried}) == [2e-3, 8e-3, 0.032]


def test_a_grid_does_not_grow_for_ever():
    tried = baselines.explored(((1.0, 10.0), (7.0,)), lambda setting: -setting[0], widest=4)
    assert list(tried) == [(1, 7), (10, 7), (100, 7), (1_000, 7)]


def test_the_command_chooses_on_validation_and_makes_no_run_twice(tmp_path, monkeypatch):
    made = []

    def run(config, splits, *, test):
        made.append((config.penalty.strength, config.penalty.learning_rate, config.seed, test))
        error = 2.0 if made[-1][:2] == (2e-4, 8e-3) else 3.0
        return {baselines.JUDGED: {"validation_error": error, "test_error": 2.5 + len(made)}}

    monkeypatch.setattr(baselines, "run", run)
    command = ["baselines", f"--config={DEFAULT}", "--seeds=2", "--only", "l2"]
    monkeypatch.setattr(sys, "argv", [*command, f"--workdir={tmp_path}"])
    for _ in range(2):
        baselines.main()
    settings = list(itertools.product((5e-5, 2e-4, 8e-4), baselines.LEARNING_RATES))
    settings += [(weight, 0.032) for weight in (5e-5, 2e-4, 8e-4)]  # the better rate was the last
    tuning = [(*setting, baselines.TUNING_SEED, False) for setting in settings]
    assert made == [*tuning, (2e-4, 8e-3, 0, True), (2e-4, 8e-3, 1, True)]
    (row,) = json.loads((tmp_path / "record.json").read_text())["penalties"]
    assert (row["penalty"], row["weight"], row["learning_rate"]) == ("l2", 2e-4, 8e-3)
    assert row["networks"][baselines.JUDGED]["test_error"]["values"] == [12.5, 13.5]
    assert [one["validation_error"] for one in row["tried"]] == [3, 3, 3, 2, 3, 3, 3, 3, 3]
