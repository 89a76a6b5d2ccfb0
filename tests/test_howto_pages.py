"""The pages of docs/howto: examples run and print what stands below them; claims hold."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from safetensors.numpy import load_file, save_file

import jaxcomp
from experiments.benchmarks import random_checkpoint
from experiments.report.documents import record_of
from jaxcomp.cli import main
from jaxcomp.cli.command import COMMANDS
from jaxcomp.prune import apply_mask
from tests.helpers import ROOT, run_examples

FOLDER = ROOT / "docs" / "howto"
PAGES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
INDEX = PAGES.pop("index")

# What an example prints stands in a block of text right below it.
_PRINTED = re.compile(r"```python\n(?:(?!```).)*```\n\n```text\n(.*?)```", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")


# `test_howto_sizes` runs this page, with its longer example.
@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", sorted(PAGES.keys() - {"below_n_bytes"}))
def test_the_examples_of(name, tmp_path, monkeypatch, capsys):
    with jax.numpy_rank_promotion("allow"):  # as users have it
        names = run_examples(PAGES[name], tmp_path, monkeypatch)
        if name in CLAIMS:
            check_printed(capsys.readouterr().out, "".join(_PRINTED.findall(PAGES[name])))
            CLAIMS[name](PAGES[name], names)


def check_printed(printed, said):
    """Words are the same; sizes and losses differ a little with versions of zlib and XLA."""
    assert said
    words = [" ".join(_NUMBER.sub("#", text).split()) for text in (printed, said)]
    assert words[0] == words[1]
    numbers = [[number(n) for n in _NUMBER.findall(text)] for text in (printed, said)]
    np.testing.assert_allclose(*numbers, rtol=0.15, atol=1e-3)


def number(text):
    return float(text.replace(",", ""))


def numbers_in(page, pattern):
    """Numbers that stand in a sentence, which may be broken into lines anywhere."""
    return [number(n) for n in re.search(pattern, " ".join(page.split())).groups()]


def stored(array, *options, name="layer/weight"):
    """Bytes of an array that the command compresses, and whether none of it is lost."""
    np.savez("given.npz", **{name: array})
    assert main(["compress", "given.npz", "-o", "given.jxc", *options]) == 0
    same = np.array_equal(jaxcomp.load("given.jxc")[name], array)
    return Path("given.jxc").stat().st_size, same


def same_file_size(page, names):
    dense, pruned, rounded = (names[name] for name in ("dense", "pruned", "rounded"))
    rows = [names["sizes"](array) for array in (dense, pruned, rounded)]
    assert len({row[0] for row in rows}) == 1
    assert all(list(row) == sorted(row, reverse=True) for row in rows)
    assert np.unique(rounded).size <= 15
    assert jaxcomp.load("model.jxc")["kernel"].tobytes() == rounded.tobytes()
    size, clean = numbers_in(page, r"`dense \* mask` takes ([\d,]+) bytes, not ([\d,]+)")
    multiplied = dense * (pruned != 0)
    assert stored(multiplied)[0] == pytest.approx(size, rel=0.01)
    for cured in (multiplied + 0.0, np.where(pruned != 0, dense, 0)):
        assert stored(cured)[0] == pytest.approx(clean, rel=0.01)


def quantized_not_smaller(page, names):
    weight, fake, levels, scale = (names[name] for name in ("weight", "fake", "levels", "scale"))
    (lossless,) = numbers_in(page, r"file of `weight` takes ([\d,]+) bytes")
    assert stored(weight)[0] == pytest.approx(lossless, rel=0.01)
    as_integers = jaxcomp.save("a.jxc", {"weight": levels, "scale": scale})
    assert 8 * as_integers / weight.size == pytest.approx(3.2, abs=0.05)
    assert stored(fake)[0] == pytest.approx(as_integers, rel=0.001)

    # What the page says of files that are still large, and of what makes them small.
    eighth = abs(weight).max(axis=1, keepdims=True) / 127
    levels8 = np.round(weight / eighth).astype(np.int8)
    fine = levels8 * eighth
    in_integers = jaxcomp.save("a.jxc", {"weight": levels8, "scale": eighth})
    again, same = stored(fine, "--bits", "8", "--per-unit")
    assert same
    assert again == pytest.approx(in_integers, rel=0.01)
    assert stored(fine)[0] > 3 * in_integers
    turned = np.ascontiguousarray(fake.T)
    again, same = stored(turned, "--bits", "4", "--per-unit")
    assert same
    assert again == pytest.approx(as_integers, rel=0.01)
    assert stored(turned)[0] > 1.3 * again
    assert jaxcomp.save("a.jxc", {"w": fake.astype(ml_dtypes.bfloat16)}) > 2 * as_integers
    assert np.signbit(np.round(np.float32(-0.3)))

    eighths = weight.astype(ml_dtypes.float8_e4m3fn)
    kept = {"a": eighths, "b": levels.astype(ml_dtypes.int2), "c": levels.astype(ml_dtypes.uint4)}
    jaxcomp.save("a.jxc", kept)
    assert {n: w.dtype for n, w in jaxcomp.load("a.jxc").items()} == {
        n: w.dtype for n, w in kept.items()
    }
    save_file({"weight": eighths}, "float8.safetensors")
    assert main(["compress", "float8.safetensors", "-o", "float8.jxc"]) == 1
    wide = stored(eighths.astype(np.float32))[0]
    assert wide == pytest.approx(jaxcomp.save("a.jxc", {"a": eighths}), rel=0.01)


def pruned_weights_come_back(page, names):
    adam, keep, pruned, state = (names[name] for name in ("adam", "keep", "pruned", "state"))

    def left(start, optimizer, state, change=lambda gradients: gradients):
        trained, _ = names["train"](start, optimizer, state, change)
        return int(jnp.count_nonzero(trained["kernel"])), trained

    def mask_gradients(gradients):
        return apply_mask(gradients, keep)

    hold = jaxcomp.keep_masked(keep)
    assert left(pruned, adam, adam.init(pruned), mask_gradients)[0] == 20
    decaying = optax.adamw(1e-2, weight_decay=1e-2)
    dense = names["dense"]
    assert left(dense, decaying, decaying.init(dense), mask_gradients)[0] == 200
    assert left(pruned, optax.chain(adam, hold), (state, hold.init(pruned)))[0] == 20
    number, exploded = left(pruned, optax.chain(hold, adam), (hold.init(pruned), state))
    assert number == 200
    assert jnp.mean((names["x"] @ exploded["kernel"] - names["y"]) ** 2) > 100
    raw = optax.masked(adam, {"kernel": False})
    updates, _ = raw.update(pruned, raw.init(pruned), pruned)
    assert jnp.array_equal(updates["kernel"], pruned["kernel"])  # the gradient, as it came
    assert jnp.signbit(-pruned["kernel"] * 0).any()


def penalty_strength(page, names):
    train, params = names["train"], names["params"]

    passed, started = numbers_in(page, r"100 live weights were (\d+) after 1,500 steps, and (\d+)")
    assert 100 > passed > started
    penalty = names["partial"](jaxcomp.add_compressibility, level_strength=50.0)
    _, state = train(jaxcomp.control_weight(penalty, target=100), 3000)
    assert float(optax.tree.get(state, "measured")) == pytest.approx(started, rel=0.25)
    assert optax.tree.get(state, "value").shape == ()

    both = optax.chain(jaxcomp.add_compressibility(1e-2), jaxcomp.add_penalty("l2", 2e-3))
    squares = jnp.square(train(both, 500)[0]["hidden"]["kernel"])
    assert squares[10:].sum() < 0.01 * squares.sum()
    double = jax.tree.map(lambda w: 2 * w, params)
    np.testing.assert_allclose(
        jaxcomp.compressibility_tree(double), jaxcomp.compressibility_tree(params), rtol=1e-6
    )

    for config, said in (("digits_lenet300", "3e-2"), ("sonnets_transformer", "1e-3")):
        values = importlib.import_module(f"experiments.configs.{config}").get_config().penalty
        assert (values.name, values.strength) == ("l1_over_l2", float(said))
        beside = f"`level_strength={values.level_strength:.0f}`" if values.level_strength else "l2"
        assert f"| l1/l2 | {said} | {beside}" in page
    record = {row["penalty"]: row for row in record_of("penalties_mnist")["penalties"]}
    rows = re.findall(r"^\| (?:LeNet.*MNIST|the same) \| (.*) \|$", page, re.MULTILINE)
    best = ("l1/l2 + 1000 c", "l1/l2 + l2", "l1/l2", "l1 + l2", "l2")
    for row, arm in zip(rows, best, strict=True):
        name, strength, _, error = row.split(" | ")
        tests = record[arm]["networks"]["two levels"]["test_error"]
        assert arm.startswith(name)
        assert float(strength) == record[arm]["weight"]
        assert error == f"{tests['mean']:.2f}"
    assert "best strength of l1/l2 was 0.3" in page
    assert record["l1/l2 decoupled"]["weight"] == 0.3


def given_checkpoint(page, names):
    assert names["done"].left_out[0].name == "optimizer/mu"
    save_file(dict(random_checkpoint.tensors(np.random.default_rng(0))), "resnet50.safetensors")
    (command,) = re.findall(r"^jaxcomp (compress resnet50.*)$", page, re.MULTILINE)
    assert main(shlex.split(command)) == 0
    said = re.search(r"```text\n([\d,]+) bytes to ([\d,]+) bytes, .*\nrelative error (.*)%;", page)
    sizes = [Path(f"resnet50.{kind}").stat().st_size for kind in ("safetensors", "jxc")]
    assert sizes[1] == number(said[2])
    assert number(said[1]) < sizes[0] < 1.001 * number(said[1])  # with the names


def calibration_data(page, names):
    done = names["done"]
    assert done.calibrated.lost <= 0.02
    (plain,) = numbers_in(page, r"As float32 the weights take ([\d,]+) bytes")
    assert sum(w.nbytes for w in jax.tree.leaves(names["params"])) == plain
    assert len(names["calibration"].held_back) * 4 == 8


def from_pytorch(page, names):
    back = load_file("back.safetensors")
    loaded = jaxcomp.load("model.jxc")
    assert back.keys() == names["state_dict"].keys() == loaded.keys()
    for name, w in back.items():
        np.testing.assert_array_equal(w, loaded[name])
        steps = abs(names["state_dict"][name]).max(axis=-1, keepdims=True) / 7
        assert (abs(w - names["state_dict"][name]) <= steps).all()


CLAIMS = {
    claims.__name__: claims
    for claims in (
        same_file_size,
        quantized_not_smaller,
        pruned_weights_come_back,
        penalty_strength,
        given_checkpoint,
        calibration_data,
        from_pytorch,
    )
}


def parsers():
    """A parser for each command, by its name."""
    commands = argparse.ArgumentParser().add_subparsers()
    return {module.__name__.rpartition(".")[2]: module.add_parser(commands) for module in COMMANDS}


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_options_exist(name):
    commands = parsers()
    outside = re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)
    code = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", outside)]
    code += [
        line
        for block in re.findall(r"```.*?```", PAGES[name], re.DOTALL)
        for line in block.splitlines()
    ]
    for command, arguments in re.findall(
        rf"\bjaxcomp ({'|'.join(commands)})\b([^`&|\n#]*)", "\n".join(code)
    ):
        words = shlex.split(arguments)
        if "-o" in words:
            commands[command].parse_args(words)
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= commands[command]._option_string_actions.keys(), command
    if name in CLAIMS:
        known = set().union(*(parser._option_string_actions for parser in commands.values()))
        assert {span.split()[0] for span in code if re.match(r"--\w", span)} <= known


def test_the_index_has_every_page_under_its_title():
    titles = dict(
        (file, title)
        for title, file in re.findall(r"^\* \[(.*)\]\((\w+)\.md\)", INDEX, re.MULTILINE)
    )
    listed = re.findall(
        r"^(\w+)$", re.search(r"```\{toctree\}\n(.*?)```", INDEX, re.DOTALL)[1], re.MULTILINE
    )
    assert listed == list(titles)
    assert PAGES.keys() <= titles.keys()
    for name, page in PAGES.items():
        assert page.startswith(f"# {titles[name]}\n")
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", page)
        for link in links:
            target = (FOLDER / link).resolve()
            assert target.exists() or (target.parent == FOLDER and target.stem in titles), link
