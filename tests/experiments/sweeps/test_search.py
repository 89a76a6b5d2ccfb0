"""The search for configurations: what is varied, what is kept, and what goes on after a kill."""

import json
import sys
from types import SimpleNamespace

import jax
import numpy as np
import optuna
import pytest
from ml_collections import ConfigDict

from experiments.report.pareto import pareto_front
from experiments.settings.flags import DEFAULT, load
from experiments.sweeps import search
from jaxcomp.data import Splits, Stream
from jaxcomp.parametrized import values
from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.quantize import ternarize
from jaxcomp.train import NonFiniteLossError
from tests.models.variables import random_variables

pytestmark = pytest.mark.usefixtures("standard_promotion")
SHORT = ("train.steps=5", "penalty.steps=30", "finetune.steps=0", "quantize.steps=20")


@pytest.fixture
def config() -> ConfigDict:
    return load(DEFAULT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prune.density=0.01:0.1:log", optuna.distributions.FloatDistribution(0.01, 0.1, log=True)),
        ("quantize.number=1:3", optuna.distributions.IntDistribution(1, 3)),
        ("penalty.name=l1,l2", optuna.distributions.CategoricalDistribution(["l1", "l2"])),
        ("penalty.l2=0,1e-4", optuna.distributions.CategoricalDistribution([0.0, 1e-4])),
    ],
)
def test_what_can_be_varied(config, text, expected):
    assert search.varied(config, text) == (text.partition("=")[0], expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prune.density", "is not KEY="),
        ("prune.densitty=0:1", "no key 'prune.densitty': it has .*prune.density"),
        ("quantize.number=1:2.5", "quantize.number=2.5: the value must be of type int"),
        ("penalty.l2=0:1:exp", "only :log"),
        ("penalty.name=l1:l2", "list what it can be"),
        ("penalty.l2=1:0", "low.*high"),
    ],
)
def test_what_cannot(config, text, message):
    with pytest.raises(ValueError, match=message):
        search.varied(config, text)


def command(monkeypatch, workdir, trials, *more):
    fixed = [word for text in SHORT for word in ("--set", text)]
    vary = ["--vary", "prune.density=0.02:0.2:log", "--vary", "quantize.number=1,2"]
    words = ["search", *fixed, *vary, f"--trials={trials}", f"--workdir={workdir}", *more]
    monkeypatch.setattr(sys, "argv", words)
    search.main()
    return json.loads((workdir / "search.json").read_text())


@pytest.mark.filterwarnings("ignore:nothing is left of")  # after so few steps
def test_a_search_goes_on_and_makes_no_trial_again(tmp_path, monkeypatch, capsys):
    made, cleared = [], []

    def untrained(settings, splits, watch):
        del watch
        made.append(settings.recipe.sparsify.density)
        start = random_variables(settings.network.to_evaluate(), splits.train.inputs[:1])["params"]
        masks = top_k_mask(start, settings.recipe.sparsify.density)
        return SimpleNamespace(compressed=values(ternarize(apply_mask(start, masks))))

    monkeypatch.setattr(search, "train_and_compress", untrained)
    # For all other tests too it would clear them.
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(1))
    first = command(monkeypatch, tmp_path, 1)
    more = command(monkeypatch, tmp_path, 2)
    same = command(monkeypatch, tmp_path, 2)
    assert more["trials"][:1] == first["trials"]
    assert same["trials"] == more["trials"]
    assert [trial["values"]["prune.density"] for trial in more["trials"]] == made
    assert len(set(made)) == len(cleared) == 2
    assert all(0.02 <= density <= 0.2 for density in made)
    costs = [(trial["bytes"], trial["validation_error"]) for trial in more["trials"]]
    assert set(more["front"]) == set(pareto_front(costs))
    assert (tmp_path / "front.png").is_file()
    assert "smallest files for their error" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:nothing is left of")
def test_a_trial_is_judged_by_what_its_file_holds(tmp_path, monkeypatch):
    (trial,) = command(monkeypatch, tmp_path, 1)["trials"]
    assert trial["nonzero_weights"] <= trial["values"]["prune.density"] * 50_200 + 1
    assert 50 < trial["bytes"] < 20_000
    assert 0 <= trial["validation_error"] <= 100


@pytest.mark.slow
def test_a_trial_that_diverges_counts_as_a_dense_random_network(tmp_path, monkeypatch):
    record = command(monkeypatch, tmp_path, 1, "--set", "penalty.learning_rate=1e30")
    (trial,) = record["trials"]
    assert "not finite" in trial["diverged"]
    assert trial["bytes"] > 100_000
    assert trial["validation_error"] > 50


def test_values_that_do_not_go_together_are_passed_over(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="in no trial do the values go together"):
        command(monkeypatch, tmp_path, 2, "--vary", "penalty.name=l1")
    out = capsys.readouterr().out
    assert out.count("level_strength=100.0 is for l1_over_l2") == 2


def test_what_is_trained_on_cannot_be_chosen_by(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        command(monkeypatch, tmp_path, 1, "--set", "data.train_on_validation=True")
    assert stop.value.code == 2
    assert "data.train_on_validation=False" in capsys.readouterr().err


def test_a_trial_that_diverges_on_a_stream_counts_as_a_dense_random_network(config, monkeypatch):
    def diverges(settings, splits, watch):
        raise NonFiniteLossError("not finite at step 3")

    monkeypatch.setattr(search, "train_and_compress", diverges)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)
    rows = [{"image": np.zeros((9, 9, 3), np.uint8), "label": 1}] * 3
    splits = Splits(*3 * [Stream(rows, np.arange(3), size=8)])
    trial = optuna.trial.FixedTrial({"penalty.l2": 0.0})
    space = dict([search.varied(config, "penalty.l2=0:1")])
    size, wrong = search.judged(trial, config, space, splits)
    assert trial.user_attrs["diverged"] == "not finite at step 3"
    assert size > 4 * 8 * 8 * 3 * 300 * 0.5
    assert wrong in (0.0, 100.0)
