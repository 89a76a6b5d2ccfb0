"""What is saved comes back bit for bit, and what cannot be read is passed over."""

import logging
import os
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.train import Checkpoints, ResumeError, init_state, make_step

pytestmark = pytest.mark.usefixtures("standard_promotion")
OPTIMIZER = optax.chain(
    jaxcomp.add_compressibility(1e-2), optax.adam(0.1), jaxcomp.prune_gradually(0.5)
)


def loss(params, stats, batch):
    return jnp.sum((params["kernel"] - batch) ** 2), {"mean": 0.9 * stats["mean"] + 0.1 * batch}


def start():
    params = {"kernel": jnp.arange(6.0).reshape(3, 2), "bias": jnp.zeros(2)}
    return init_state(params, OPTIMIZER, {"mean": jnp.zeros((3, 2))})


def states(*steps):
    """The state after some numbers of steps."""
    step, state, found = make_step(loss, OPTIMIZER), start(), []
    for number in range(1, max(steps) + 1):
        state = step(state, jnp.full((3, 2), number / 10))
        if number in steps:
            found.append(jax.tree.map(np.array, state))
    return found


def damage(folder):
    """Cut all arrays of a checkpoint off."""
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[:10])


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_last_state_comes_back(tmp_path):
    two, five = states(2, 5)
    with Checkpoints(tmp_path / "run") as checkpoints:
        assert checkpoints.latest(start()) is None
        checkpoints.save(two)
        checkpoints.save(five)
    with Checkpoints(tmp_path / "run") as checkpoints:
        assert_same(checkpoints.latest(start()), five)


def test_only_the_last_ones_stay(tmp_path):
    with Checkpoints(tmp_path, kept=2) as checkpoints:
        for state in states(1, 2, 3, 4):
            checkpoints.save(state)
        checkpoints.wait()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.isdecimal()) == ["3", "4"]


def test_the_memory_of_a_state_may_be_given_away_at_once(tmp_path):
    step, state = make_step(loss, OPTIMIZER), start()
    with Checkpoints(tmp_path) as checkpoints:
        state = step(state, jnp.ones((3, 2)))
        saved = jax.tree.map(np.array, state)
        checkpoints.save(state)
        for _ in range(3):
            state = step(state, jnp.ones((3, 2)))
        checkpoints.wait()
        assert_same(checkpoints.latest(start()), saved)


# Orbax leaves reads of the other arrays behind when that of one has failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_is_damaged_is_passed_over(tmp_path, caplog):
    two, four, five = states(2, 4, 5)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(two)
        checkpoints.save(five)
    damage(tmp_path / "5")
    with Checkpoints(tmp_path) as checkpoints, caplog.at_level(logging.WARNING, "jaxcomp"):
        assert_same(checkpoints.latest(start()), two)
        checkpoints.save(four)
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith(f"checkpoints in {tmp_path} are passed over (step 5: ")
    assert message.endswith("): the one of step 2 is used")
    with Checkpoints(tmp_path) as checkpoints:
        assert_same(checkpoints.latest(start()), four)
        checkpoints.save(five)


def test_steps_go_on(tmp_path):
    two, five = states(2, 5)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(five)
        for state in (two, five):
            with pytest.raises(ValueError, match=f"has a state of step 5: step {int(state.step)}"):
                checkpoints.save(state)


def test_those_of_another_training_are_named(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(states(2)[0])
    other = init_state({"kernel": jnp.ones((3, 2))}, optax.sgd(0.1))
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(
            ResumeError,
            match=rf"^none of the checkpoints in {tmp_path} can be used \(step 2: .+\): delete",
        ),
    ):
        checkpoints.latest(other)


FULL = """
import resource, sys
from pathlib import Path
import jax, jax.numpy as jnp, optax
from jaxcomp.train import Checkpoints, init_state

state = init_state({"k": jax.random.normal(jax.random.key(0), (500, 500))}, optax.adam(0.1))
with Checkpoints(Path(sys.argv[1])) as checkpoints:
    checkpoints.save(state._replace(step=jnp.int32(1)))
    checkpoints.wait()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # as on a full disk
    try:
        checkpoints.save(state._replace(step=jnp.int32(2)))
        checkpoints.wait()
    except OSError as error:
        print(error)
    print("the last is", int(checkpoints.latest(state).step))
"""


@pytest.mark.slow
def test_on_a_full_disk_there_is_an_error_and_the_state_before_stays(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "run")],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"no checkpoint can be written in {tmp_path / 'run'}: " in done.stdout
    assert "the last is 1" in done.stdout


def shortened(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def inverted(path):
    """The bytes in the middle are others."""
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, min(len(content), len(content) // 2 + 8)):
        content[place] ^= 0xFF
    path.write_bytes(content)


# Of what Orbax leaves behind, see above.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "damage", [shortened, inverted, lambda path: path.write_bytes(b""), lambda path: path.unlink()]
)
def test_whatever_is_damaged_a_good_state_comes_back(tmp_path, damage):
    two, five = states(2, 5)
    whole = tmp_path / "whole"
    with Checkpoints(whole) as checkpoints:
        checkpoints.save(two)
        checkpoints.save(five)
    files = [path.relative_to(whole) for path in (whole / "5").rglob("*") if path.is_file()]
    passed_over = 0
    for number, name in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        damage(folder / name)
        with Checkpoints(folder) as checkpoints:
            state = checkpoints.latest(start())
            passed_over += int(state.step) == 2
            assert_same(state, two if int(state.step) == 2 else five)
    assert passed_over >= 1


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_a_bit_that_has_changed_among_the_arrays_is_seen(tmp_path, part):
    params = {"kernel": jax.random.normal(jax.random.key(0), (100, 100))}
    state = init_state(params, optax.sgd(0.1))._replace(step=jnp.int32(1))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state)
    path = max((path for path in tmp_path.rglob("d/*")), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[int(part * len(content))] ^= 4
    path.write_bytes(content)
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(ResumeError, match="step 1: "):
        checkpoints.latest(state)
