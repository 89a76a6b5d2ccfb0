"""Keras on JAX: the way of docs/howto/any_framework.md, and that it needs no TensorFlow."""

import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxcomp
from jaxcomp.checkpoints import read_checkpoint
from jaxcomp.cli import main
from jaxcomp.trees import named_leaves
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "howto" / "any_framework.md").read_text()


def blocks_of(heading):
    """The Python of a section of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_a_model_is_trained_stored_and_loaded_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    in_loop, by_file = blocks_of("Keras")
    with jax.numpy_rank_promotion("allow"):  # as users have it
        exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
        exec(in_loop, names)
        size, right = re.fullmatch(
            r"Keras +30,040 bytes became ([\d,]+), ([\d.]+) % right\n", capsys.readouterr().out
        ).groups()
        assert int(size.replace(",", "")) < 30_040 / 15
        assert float(right) > 85

        model, inputs = names["model"], names["test_x"]
        trained = np.asarray(model(inputs))
        assert [variable.path for variable in model.trainable_variables] == list(names["params"])
        for variable in model.trainable_variables:
            np.testing.assert_array_equal(variable.numpy(), names["small"][variable.path])
        kernels = [w for name, w in names["small"].items() if name.endswith("kernel")]
        kept = sum(np.count_nonzero(w) for w in kernels)
        assert 0.1 < kept / sum(w.size for w in kernels) <= 0.15

        exec(by_file, names)
        # Weights of so few bits are found again: nothing has changed.
        np.testing.assert_array_equal(np.asarray(model(inputs)), trained)


@pytest.mark.slow
def test_weights_of_a_trained_model_by_the_command_of_the_page(tmp_path, monkeypatch):
    """With the state of the optimizer, and running statistics."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.chdir(tmp_path)
    import keras  # takes seconds

    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5), keras.layers.BatchNormalization()]
    )
    model.compile(optimizer="adam", loss="mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 6)), rng.normal(size=(32, 5))
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        model.fit(x, y, verbose=0)
    model.save_weights("model.weights.h5")
    (command,) = re.findall(r"^jaxcomp (compress .*)$", PAGE, re.MULTILINE)
    assert main(command.split()) == 0
    stored = named_leaves(jaxcomp.load("weights.jxc"))
    given = named_leaves(read_checkpoint("model.weights.h5"))
    assert {name for name in given if not name.startswith("optimizer")} == set(stored)
    assert any(name.startswith("optimizer") for name in given)
    for name, w in stored.items():
        if w.ndim == 2:
            assert np.unique(w).size <= 15
        else:
            np.testing.assert_array_equal(w, given[name])


@pytest.mark.slow
def test_importing_keras_on_jax_brings_no_tensorflow():
    script = "import sys, keras; assert keras.backend.backend() == 'jax'; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"tensorflow", "torch"} & set(done.stdout.split())
