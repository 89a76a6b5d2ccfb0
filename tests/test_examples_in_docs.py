"""What is shown runs: the examples of docstrings and of the README."""

import doctest
import importlib
import inspect
import pkgutil
import re

import jax
import numpy as np
import pytest

import jaxcomp
from experiments.report import documents
from experiments.report.documents import DOCUMENTS, TABLES, record_of, written
from experiments.sweeps.baselines import ARMS
from jaxcomp.cli import main
from jaxcomp.trees import named_leaves
from tests.helpers import ROOT, run_examples

README = (ROOT / "README.md").read_text()
MODULES = [
    "jaxcomp",
    *(module.name for module in pkgutil.walk_packages(jaxcomp.__path__, "jaxcomp.")),
]
PACKAGES = [
    "jaxcomp",
    "jaxcomp.codec",
    "jaxcomp.data",
    "jaxcomp.losses",
    "jaxcomp.models",
    "jaxcomp.prox",
    "jaxcomp.prune",
    "jaxcomp.quantize",
    "jaxcomp.recipe",
    "jaxcomp.train",
    "jaxcomp.transforms",
]
FINDER = doctest.DocTestFinder()
# Lines that begin with a preposition or a question word, or with a noun and have no common verb.
NO_SENTENCE = re.compile(
    r"(Of|By|With|Without|In|On|For|From|To|As|At|Where|When|What|How|Which|Whether|Those|That)\b|"
    r"(The|A|An|All|Each|Every|One|Any|Some)\b(?!.*\b(is|are|has|have|does|do|can|was|were)\b)|"
    r"[^A-Z]"
)


@pytest.mark.usefixtures("standard_promotion")
def test_docstrings():
    results = [doctest.testmod(importlib.import_module(name)) for name in MODULES]
    assert sum(result.attempted for result in results) > 10
    assert sum(result.failed for result in results) == 0


def is_function(value):
    """Tell whether a value is a function, or one that is wrapped, as by `jax.jit`."""
    return inspect.isroutine(inspect.unwrap(value))


@pytest.mark.parametrize("package", PACKAGES)
def test_public_functions_have_an_example(package):
    module = importlib.import_module(package)
    functions = [f for f in (getattr(module, name) for name in module.__all__) if is_function(f)]
    homes = {function.__module__ for function in functions}
    tests = [test for home in homes for test in FINDER.find(importlib.import_module(home))]
    run = {test.name for test in tests if test.examples}
    assert [f.__name__ for f in functions if f"{f.__module__}.{f.__name__}" not in run] == []


def first_lines():
    """Yield the first docstring line of each module, and of its public classes and functions."""
    for name in MODULES:
        module = importlib.import_module(name)
        yield name, module.__doc__.splitlines()[0]
        for own, value in vars(module).items():
            is_public = inspect.isclass(value) or is_function(value)
            if is_public and not own.startswith("_") and value.__module__ == name:
                yield f"{name}.{own}", inspect.getdoc(value).splitlines()[0]


def test_docstrings_begin_with_a_sentence():
    """A short list of words finds the lines that do not."""
    lines = dict(first_lines())
    assert len(lines) > 500
    assert {name: line for name, line in lines.items() if NO_SENTENCE.match(line)} == {}
    assert {name: line for name, line in lines.items() if not line.endswith(".")} == {}


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_the_readme(tmp_path, monkeypatch, capsys):
    names = run_examples(README, tmp_path, monkeypatch)
    # What the text says of the results.
    sparse, x, y = names["sparse"], names["x"], names["y"]
    printed = re.search(r"^(\d+) of 1050 weights", capsys.readouterr().out)
    assert 140 <= int(printed[1]) <= 160
    assert abs(sparse["hidden"]["kernel"][2:]).max() < 0.01
    assert names["size"] <= 4200 / 25
    assert names["loss"](names["loaded"], x[400:], y[400:]) < 1e-4
    done = names["done"]
    assert done.calibrated.lost <= 0.005
    assert done.file_bytes < 0.6 * done.calibrated.data_free_bytes


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_the_page_on_the_transform(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "start" / "transform.md").read_text()
    names = run_examples(page, tmp_path, monkeypatch)
    params, loaded = names["params"], names["loaded"]
    assert jax.tree.structure(params) == jax.tree.structure(loaded)
    assert names["size"] < 85
    assert names["loss"](loaded, names["x"], names["y"]) < 0.02
    assert not loaded["hidden"]["kernel"][2:].any()


@pytest.mark.usefixtures("standard_promotion")
def test_the_page_on_adding_a_penalty(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "contributing" / "add.md").read_text()
    names = run_examples(page, tmp_path, monkeypatch)
    w = names["params"]["kernel"]
    expected = -0.1 * np.sign(w) / (1 + abs(w))
    np.testing.assert_allclose(names["updates"]["kernel"], expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_the_page_on_any_network(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "any_network.md").read_text()
    namespace = run_examples(page, tmp_path, monkeypatch)
    assert namespace["network"].describe() in page
    apply, images = namespace["apply"], namespace["images"]
    expected = apply(namespace["ternary"], images)
    np.testing.assert_array_equal(namespace["logits"], expected)
    np.testing.assert_allclose(
        apply(namespace["small"], images), apply(namespace["pruned"], images), rtol=1e-4, atol=1e-5
    )
    for name, w in named_leaves(namespace["ternary"]).items():
        if name.endswith("weight"):  # [out, ...]: one magnitude for each output
            assert all(len(np.unique(abs(unit[unit != 0]))) <= 1 for unit in np.asarray(w))
    assert namespace["size"] < 1_500


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_the_page_on_calibration(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "calibrated_compression.md").read_text()
    namespace = run_examples(page, tmp_path, monkeypatch)
    done = namespace["done"]
    assert sum(w.nbytes for w in jax.tree.leaves(namespace["params"])) == 30_040
    assert done.calibrated.lost <= 0.02
    # A third on one machine; the network that is trained is not the same on all.
    assert done.file_bytes < done.calibrated.data_free_bytes / 2.5
    assert 550 < done.file_bytes < 900
    mlp = namespace["done_mlp"]
    assert mlp.calibrated.is_calibrated
    assert mlp.calibrated.lost <= 0.001
    arrays = [
        (tuple(name.split("/")), np.asarray(array))
        for name, array in named_leaves(namespace["params"]).items()
    ]
    jaxcomp.checkpoints.write_checkpoint("model.npz", arrays)
    command = re.search(r"jaxcomp (compress model.*)", page)[1].replace("safetensors", "npz")
    assert main(command.split()) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_the_page_on_the_recipe(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "recipe.md").read_text()
    namespace = run_examples(page, tmp_path, monkeypatch)
    elements = sum(leaf.size for leaf in jax.tree.leaves(namespace["params"]))
    assert 0.95 * elements / 15 <= namespace["size"] <= elements / 15
    assert namespace["result"].report().partition("\n")[0] in page
    images, labels = namespace["held_out"]
    logits = jax.vmap(namespace["small"])(images.reshape(len(images), -1))
    expected = namespace["apply"](namespace["result"].params, images)
    np.testing.assert_allclose(logits, expected, rtol=1e-6)
    assert (logits.argmax(axis=-1) == labels).mean() > 0.8
    assert [phase.name for phase in namespace["own"].phases] == ["dense", "descend"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_are_what_the_records_say(path):
    assert written(path) == path.read_text(), "run `python -m experiments.report.documents`"


def test_every_table_stands_in_a_document_and_an_unknown_one_is_named(tmp_path, monkeypatch):
    text = "".join(path.read_text() for path in DOCUMENTS)
    assert sorted(re.findall(r"<!-- table: (\S+) -->", text)) == sorted(TABLES)
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text("<!-- table: none -->\n<!-- end -->")
    with pytest.raises(ValueError, match=r"there is no table 'none': choose from headline"):
        written(tmp_path / "page.md")


def test_cells_of_tables_by_hand():
    """One cell of each table, worked out from its record another way."""
    seeds = record_of("mnist_lenet300")["seeds"].values()
    accuracies = [100 * run["test_accuracy_read_back"] for run in seeds]
    cell = f"{np.mean(accuracies):.2f} ({min(accuracies):.2f} to {max(accuracies):.2f})"
    assert f"| {cell} |" in TABLES["digits-and-mnist"]()
    errors = [100 - accuracy for accuracy in accuracies]
    cell = f"**{np.mean(errors):.2f}** ({min(errors):.2f} to {max(errors):.2f}, 5 seeds)"
    assert f"| {cell} |" in TABLES["mnist-lenet300"]()
    size = np.mean([r["bytes_jxc"] for r in record_of("mnist_lenet5_tiny")["seeds"].values()])
    assert f"| {size:,.0f} |" in TABLES["mnist-lenet5"]()
    bits = [r["test_bits_dense"] for r in record_of("sonnets_transformer")["seeds"].values()]
    assert f"| {np.mean(bits):.2f} ({min(bits):.2f} to {max(bits):.2f}) |" in TABLES["sonnets"]()
    vgg = [
        100 - 100 * r["test_accuracy_dense"] for r in record_of("cifar10_vgg16")["seeds"].values()
    ]
    assert f"| {np.mean(vgg):.2f} ({min(vgg):.2f} to {max(vgg):.2f}) |" in TABLES["cifar10"]()
    (one,) = (row for row in record_of("codec")["fixed"]["rows"] if row["set"] == "b")
    # 3,075 bytes are 13.9 % fewer than 3,572.
    assert (one["file_bytes"], one["nncodec_file_bytes"]) == (3_075, 3_572)
    assert "| 3,572 | 3,075 | -13.9 % |" in TABLES["codec"]()
    for name, devices in (
        ("costs-of-updates", "cpu"),
        ("costs-of-the-rest", "h200"),
    ):
        leaves = 161 if name == "costs-of-updates" else 1
        (row,) = (
            row
            for row in record_of(f"step_cost_{devices}")["rows"]
            if (row["kind"], row["leaves"], row["name"])
            == ("update", leaves, "add_compressibility")
        )
        assert f"| {row['ratio']['median']:.2f} (" in TABLES[name]()
    assert "| 0.43 ms |" in TABLES["costs-of-the-rest"]()  # 21.5 ms for 50 updates
    assert len(TABLES["costs-of-feeding"]().splitlines()) == 2 + 7


@pytest.mark.parametrize(
    "name",
    [
        "digits_lenet300",
        "mnist_lenet300",
        "mnist_lenet300_shifted",
        "mnist_lenet5",
        "mnist_lenet5_shifted",
        "mnist_lenet5_smallest",
        "mnist_lenet5_tiny",
        "sonnets_transformer",
        "cifar10_vgg16",
    ],
)
def test_results_have_five_seeds_and_files_that_are_as_accurate_as_what_was_written(name):
    record = record_of(name)
    assert len(record["seeds"]) >= 5
    if record["device"].startswith("cpu"):  # on accelerators bfloat16 may tip an example over
        for run in record["seeds"].values():
            assert run["test_accuracy_read_back"] == run["test_accuracy_compressed"]


def test_every_penalty_has_the_seeds_and_the_tries_that_the_text_says():
    record = record_of("penalties_mnist")
    assert [row["penalty"] for row in record["penalties"]] == list(ARMS)
    assert sum(len(row["tried"]) for row in record["penalties"]) == 228
    for row in record["penalties"]:
        for setting in ("weight", "learning_rate"):
            values = sorted({one[setting] for one in row["tried"]})
            assert len(values) == 1 or values[0] < row[setting] < values[-1]
        for network in row["networks"].values():
            assert len(network["test_error"]["values"]) == 5
            assert network["nonzero_weights"]["mean"] <= 3_993
