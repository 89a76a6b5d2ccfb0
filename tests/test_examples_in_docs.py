"""What is shown runs: the examples of docstrings and of the README."""

import doctest
import importlib
import json
import pkgutil
import re
from pathlib import Path

import jax
import pytest

import jaxcomp
from experiments.sweeps.baselines import PENALTIES
from jaxcomp.cli import main
from tests.helpers import RESULTS, ROOT

README = (ROOT / "README.md").read_text()
MODULES = [module.name for module in pkgutil.walk_packages(jaxcomp.__path__, "jaxcomp.")]


@pytest.mark.usefixtures("standard_promotion")
def test_docstrings():
    results = [doctest.testmod(importlib.import_module(name)) for name in MODULES]
    assert sum(result.attempted for result in results) > 10
    assert sum(result.failed for result in results) == 0


def test_public_functions_of_the_package_have_an_example():
    # Files are shown in the README instead.
    names = (
        "add_compressibility",
        "add_penalty",
        "apply_prox",
        "compressibility",
        "compressibility_tree",
        "control_weight",
        "keep_masked",
        "prune_gradually",
    )
    for name in names:
        assert ">>>" in getattr(jaxcomp, name).__doc__


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 2
    namespace: dict = {}
    for example in examples:
        exec(example, namespace)
    params, loaded = namespace["params"], namespace["loaded"]
    assert jax.tree.structure(params) == jax.tree.structure(loaded)
    # What the text says of the result.
    assert namespace["size"] < 85
    assert namespace["loss"](loaded, namespace["x"], namespace["y"]) < 0.02
    assert not loaded["hidden"]["kernel"][2:].any()


def read(name):
    """A record, and the mean, smallest and largest of its numbers over the seeds."""
    record = json.loads((RESULTS / f"{name}.json").read_text())
    return record, *(record[key] for key in ("mean", "min", "max"))


@pytest.mark.parametrize("name", ["digits_lenet300", "mnist_lenet300"])
def test_the_numbers_of_the_readme_are_those_of_the_record(name):
    record, mean, low, high = read(name)
    assert len(record["seeds"]) >= 5
    for network in ("dense", "read_back"):
        key = f"test_accuracy_{network}"
        shown = f"{100 * mean[key]:.2f} % ({100 * low[key]:.2f} to {100 * high[key]:.2f})"
        assert shown in README
    for form in ("float32_zstd19", "int8_zstd19", "jxc"):
        assert f"{mean[f'bytes_{form}']:,.0f} ({mean[f'ratio_{form}']:.1f} times" in README
    assert f"{mean['nonzero_weights']:,.0f} of" in README
    assert f"{mean['bits_per_weight_jxc']:.3f}" in README
    for run in record["seeds"].values():
        assert run["test_accuracy_read_back"] == run["test_accuracy_compressed"]


def test_the_numbers_of_the_transformer_in_the_readme_are_those_of_the_record():
    record, mean, low, high = read("sonnets_transformer")
    assert len(record["seeds"]) >= 5
    assert f"{record['weights']:,} weights, {mean['nonzero_weights']:,.0f} of them" in README
    for network in ("dense", "penalized", "read_back"):
        key = f"test_bits_{network}"
        assert f"{mean[key]:.2f} ({low[key]:.2f} to {high[key]:.2f})" in README
        key = f"test_accuracy_{network}"
        assert f"{100 * mean[key]:.1f} ({100 * low[key]:.1f} to {100 * high[key]:.1f})" in README
    smaller = (f"{record[key]['ratio_jxc']:.1f}" for key in ("mean", "min", "max"))
    assert f"{mean['bytes_jxc']:,.0f} bytes, " + "{} ({} to {}) times".format(*smaller) in README


def test_the_numbers_of_images_in_colour_in_the_readme_are_those_of_the_records():
    (vgg, *of_vgg), (resnet, of_resnet, *_) = map(read, ("cifar10_vgg16", "cifar10_resnet20"))
    assert len(vgg["seeds"]) == 5
    assert len(resnet["seeds"]) == 1

    def error(numbers, network):
        return f"{100 - 100 * numbers[f'test_accuracy_{network}']:.2f}"

    for network in ("dense", "penalized", "read_back"):
        mean, high, low = (error(numbers, network) for numbers in of_vgg)
        assert f"| {mean} ({low} to {high}) | {error(of_resnet, network)} |" in README

    def row(cell):
        return "| " + " | ".join(map(cell, (vgg, resnet))) + " |"

    def stored(record):
        size, ratio = (record["mean"][f"{what}_jxc"] for what in ("bytes", "ratio"))
        return f"**{size:,.0f} ({ratio:.1f} times)**"

    assert row(lambda one: f"{one['mean']['nonzero_weights']:,.0f} of {one['weights']:,}") in README
    assert row(lambda one: f"{one['mean']['bytes_float32']:,.0f}") in README
    assert row(stored) in README


def test_the_sizes_of_sets_in_the_readme_are_those_of_the_record():
    sets = json.loads((RESULTS / "codec.json").read_text())["sets"]
    for name, one in sets.items():
        whole = "file_bytes" if one["nncodec_file_bytes"] else "payload_bytes"
        theirs, ours = one[f"nncodec_{whole}"], one[whole]
        shown = (f"{one['entropy_bytes']:,}", f"{theirs:,}", f"{ours:,}")
        change = f"{100 * (ours / theirs - 1):+.1f} %"
        assert f"| {name} | {one['weights']:,} | {' | '.join(shown)} | {change} |" in README


@pytest.mark.parametrize(
    "names",
    [
        ("mnist_lenet300", "mnist_lenet300_shifted"),
        ("mnist_lenet5", "mnist_lenet5_shifted", "mnist_lenet5_smallest", "mnist_lenet5_tiny"),
    ],
)
def test_the_tables_beside_published_rows_are_those_of_the_records(names, capsys):
    records = [str(RESULTS / f"{name}.json") for name in names]
    for record in records:
        assert len(json.loads(Path(record).read_text())["seeds"]) >= 5
    assert main(["table", *records, "--published", str(RESULTS / "published.json")]) == 0
    assert capsys.readouterr().out in README


def test_the_table_of_penalties_is_that_of_the_record(capsys):
    assert main(["table", str(RESULTS / "penalties_mnist.json")]) == 0
    assert capsys.readouterr().out in README


def test_every_penalty_has_the_seeds_and_the_tries_that_the_text_says():
    record = json.loads((RESULTS / "penalties_mnist.json").read_text())
    assert [row["penalty"] for row in record["penalties"]] == list(PENALTIES)
    tries = sum(len(row["tried"]) for row in record["penalties"])
    assert f"{tries} settings, chosen by the error of the first file" in README
    for row in record["penalties"]:
        for setting in ("weight", "learning_rate"):
            values = sorted({one[setting] for one in row["tried"]})
            assert len(values) == 1 or values[0] < row[setting] < values[-1]
        for network in row["networks"].values():
            assert len(network["test_error"]["values"]) == 5
            assert network["nonzero_weights"]["mean"] <= 3_993


def shown(row):
    """The ratio of a benchmark's row."""
    ratio = row["ratio"]
    return f"{ratio['median']:.2f} ({ratio['lower_quartile']:.2f} to {ratio['upper_quartile']:.2f})"


def test_the_costs_of_feeding_in_the_readme_are_those_of_the_record():
    rows = json.loads((RESULTS / "end_to_end_cpu.json").read_text())["rows"]
    assert len({row["network"] for row in rows}) == 3
    for row in rows:
        speed = f"{row['examples_per_second']:,.0f}"
        assert f"| {row['network']} | {row['name']} | {speed} | {shown(row)} |" in README


def test_the_costs_in_the_readme_are_those_of_the_records():
    cpu, h200 = (
        json.loads((RESULTS / f"step_cost_{device}.json").read_text())["rows"]
        for device in ("cpu", "h200")
    )
    readme = " ".join(README.split())
    many, one, steps = (
        {row["name"]: row for row in h200 if (row["kind"], row["leaves"]) == kind}
        for kind in (("update", 161), ("update", 1), ("step", 8))
    )
    for row in cpu:
        if row["kind"] == "update" and row["leaves"] == 161:
            cells = row["name"], shown(row), shown(many[row["name"]])
            assert "| `{}` | {} | {} |".format(*cells) in README
        elif row["kind"] == "step":
            assert shown(row) in readme
        elif row["kind"] == "compile":
            sentence = {
                "add_compressibility": "1,000 arrays take {:.1f} times as long to compile",
                "optax.clip_by_global_norm": "`optax.clip_by_global_norm`: {:.1f})",
            }[row["name"]]
            assert sentence.format(row["ratio"]["median"]) in readme
    (whole,) = (
        row
        for row in cpu
        if (row["kind"], row["leaves"], row["name"]) == ("update", 1, "add_compressibility")
    )
    assert f"In one array `add_compressibility` takes {shown(whole)} on the CPU" in readme
    assert f"{shown(one['add_compressibility'])} on the H200" in readme
    for row in steps.values():
        assert f"on the H200 {shown(row)} for LeNet-5" in readme
    times = (
        rows["add_compressibility"]["baseline_milliseconds"]["median"] / 50 for rows in (many, one)
    )
    assert "{:.2f} ms for 161 arrays and {:.2f} ms".format(*times) in readme
    counted = many["add_compressibility"]["bytes"]
    share = counted["variant"]["accessed"] / counted["baseline"]["accessed"]
    assert f"takes {share:.2f} of the bytes of Adam alone" in readme
