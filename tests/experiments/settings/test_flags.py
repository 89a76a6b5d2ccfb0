"""Configurations: every file can be used, and every mistake is named before anything runs."""

import sys

import pytest

from experiments import main
from experiments.settings.check import check
from experiments.settings.flags import DEFAULT, load
from experiments.settings.keys import leaves
from tests.helpers import run_module

CONFIGS = sorted(DEFAULT.parent.glob("[!_]*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_can_be_used_and_is_named_after_its_file(path):
    config = load(path)
    check(config)
    assert config.name == path.stem
    assert "python -m experiments.main" in path.read_text()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", "lenet", "lenet_300_100"),
        ("data.name", "svhn", "digits, mnist"),
        ("penalty.scope", "row", "tensor, global"),
        ("quantize.level", "median", "theorem, least_squares"),
        ("penalty.strength", -1.0, "at least 0"),
        ("train.learning_rate", 0.0, "greater than 0"),
        ("train.learning_rate", float("nan"), "finite"),
        ("batch_size", 0, "greater than 0"),
        ("prune.density", 1.5, r"in \(0, 1\]"),
        ("penalty.name", "l3", "none, l1_over_l2"),
        ("penalty.groups", "row", "none, unit"),
        ("distill.weight", 1.5, r"in \[0, 1\]"),
        ("dropout.hidden_dropout", 1.0, r"in \[0, 1\)"),
        ("prune.steps", 3000, "at most penalty.steps=2000"),
        ("biases.bits", 1, "2 to 8, or 0 for"),
        ("biases.bits", 9, "2 to 8, or 0 for"),
        ("optimizer", "lion", "adam, sgd"),
        ("precision", "float16", "float32, bfloat16"),
        ("loop", "scan", "auto, python, device"),
        ("data.shift", -1, "at least 0"),
    ],
)
def test_values_that_cannot_work(key, value, message):
    config = load(DEFAULT)
    config.update_from_flattened_dict({key: value})
    with pytest.raises(ValueError, match=f"{key}={value}.*{message}|{key}='{value}'.*{message}"):
        check(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"penalty.name": "l1"}, "level_strength=100.0 is for l1_over_l2"),
        ({"penalty.scope": "unit", "penalty.groups": "input"}, "choose one of them"),
        ({"prune.structure": 0.3}, "set prune.steps"),
        ({"prune.widths": (300,)}, "one number for each hidden layer, from 1 to \\(300, 100\\)"),
        ({"prune.widths": (400, 10)}, "one number for each hidden layer"),
        ({"prune.widths": (30, 10), "penalty.start": "dense"}, "penalty.start to .init."),
        (
            {"quantize.by_layer": (2, 0, 2)},
            r"\[1\] must be a number of magnitudes, at least 1",
        ),
        ({"quantize.by_layer": (2, 1.5, 2)}, r"by_layer\[1\] must be .*, and an integer: got 1.5"),
        ({"quantize.quantizer": "bits"}, "quantize.number must be from 2 to 8, got 1"),
        ({"quantize.quantizer": "step"}, "quantize.quantizer='step': choose from bits, levels"),
        (
            {"quantize.quantizer": "bits", "quantize.number": 4, "quantize.per": "unit"},
            "bits are of a whole tensor",
        ),
        ({"model": "resnet_20", "prune.widths": (9,)}, "resnet_20 cannot be left out, set it to"),
        ({"model": "resnet_20", "dropout.hidden_dropout": 0.5}, "resnet_20 has none, set it to 0"),
        ({"optimizer": "sgd", "penalty.decoupled": True}, "or penalty.decoupled to False"),
        (
            {"optimizer": "sgd", "penalty.name": "prox_soft", "penalty.level_strength": 0.0},
            "or penalty.decoupled to True",
        ),
        (
            {"model": "transformer"},
            "'transformer' does not go with data.name='digits': it takes text",
        ),
        ({"data.name": "sonnets"}, "'lenet_300_100' does not go .* it takes images, not text"),
        (
            {"model": "transformer", "data.name": "sonnets", "data.shift": 2},
            "set them to 0 and False for text",
        ),
        (
            {"model": "resnet_50", "data.name": "imagenet2012", "loop": "device"},
            "imagenet2012 is streamed, set it to 'auto'",
        ),
    ],
)
def test_values_that_do_not_go_together(changes, message):
    config = load(DEFAULT)
    config.update_from_flattened_dict(changes)
    with pytest.raises(ValueError, match=message):
        check(config)


def test_zero_is_allowed_where_it_means_without():
    config = load(DEFAULT)
    config.penalty.strength = 0.0
    config.finetune.steps = 0
    check(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "does not define get_config"),
        (DEFAULT.read_text().replace("config.look_every", "config.look"), "'look_every'.*'look'"),
    ],
)
def test_files_that_do_not_define_a_configuration(tmp_path, text, message):
    path = tmp_path / "config.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path)


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # of ml_collections
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.train.stepz=3"], "no key train.stepz\n\nThe keys, with their values and types"),
        (["--config.train.steps=3.5"], "'3.5'\n\nThe keys, with their values and types"),
        (["--config.penalty.scope=row"], "penalty.scope='row': choose from tensor, global"),
        (["--config=nowhere.py"], "there is no configuration nowhere.py"),
        (["--config", "nowhere.py"], "there is no configuration nowhere.py"),
        (["train"], "unexpected arguments ['train']"),
        (["--workdirs=x"], "Did you mean: workdir"),
    ],
)
def test_wrong_use_is_a_message_and_status_2(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [main.__name__, *arguments])  # ml_collections looks there
    with pytest.raises(SystemExit) as stop:
        main.parse_flags(sys.argv)
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert message in shown


@pytest.mark.slow
def test_the_command_shows_wrong_use_without_a_traceback():
    done = run_module("experiments.main", "--config.penalty.scope=row")
    assert done.returncode == 2
    assert done.stderr.startswith("error: penalty.scope='row': choose from tensor, global")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.batch_size=2000"], "batch_size=2000: there are 1257 examples to train on"),
        (
            ["--config.mesh.fsdp=2", "--config.mesh.rules=(('no_such$', ('fsdp',)),)"],
            "mesh.rules: the rule 'no_such$' fits no leaf with 1 axes",
        ),
    ],
)
def test_values_that_the_data_or_the_network_refuse(arguments, message, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    done = run_module("experiments.main", f"--workdir={tmp_path}", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_help_shows_how_it_is_used():
    done = run_module("experiments.main", "--help")
    assert "--config.KEY=VALUE" in done.stdout
    assert "--workdir: where to write" in done.stdout


def test_the_keys_are_found_at_any_depth():
    assert dict(leaves(load(DEFAULT)))["penalty.scope"] == "global"
