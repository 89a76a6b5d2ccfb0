"""Folders of Orbax."""

import gc
import shutil
import sys
import time
import types
import warnings

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import nnx

from jaxcomp.checkpoints import CheckpointError, read_checkpoint
from jaxcomp.late_reads import ignore_late_reads
from tests.checkpoints.claims import refused


@pytest.mark.parametrize("saver", [ocp.StandardCheckpointer, ocp.PyTreeCheckpointer])
def test_orbax_folders(tmp_path, saver):
    tree = {
        "params": {"Dense_0": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}},
        "blocks": [jnp.ones((2, 2), jnp.bfloat16), jnp.zeros(1)],
        "step": jnp.array(7),
    }
    with saver() as checkpointer:
        checkpointer.save(tmp_path / "folder", tree)
    loaded = read_checkpoint(tmp_path / "folder")
    np.testing.assert_array_equal(loaded["params"]["Dense_0"]["kernel"], [[0, 1, 2], [3, 4, 5]])
    assert loaded["blocks"][0].dtype == ml_dtypes.bfloat16
    assert list(loaded["blocks"]) == [0, 1]
    assert loaded["step"] == 7


def test_the_last_step_of_an_orbax_manager(tmp_path):
    with ocp.CheckpointManager(tmp_path / "run") as manager:
        for step in (9, 10):
            manager.save(step, args=ocp.args.StandardSave({"w": jnp.full(3, float(step))}))
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "run")["w"], [10, 10, 10])


class Modules(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(2, 3, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(11)])


def test_nnx_from_orbax_goes_back_into_its_module(tmp_path):
    state = nnx.state(Modules(nnx.Rngs(0)))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", state)
        checkpointer.save(tmp_path / "both", {"model": state, "value": jnp.ones(2), "0": {}})
    loaded = read_checkpoint(tmp_path / "folder")
    other = nnx.state(Modules(nnx.Rngs(1)))
    nnx.replace_by_pure_dict(other, loaded)
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(state), nnx.to_pure_dict(other))
    both = read_checkpoint(tmp_path / "both")
    assert both["model"].keys() == loaded.keys()
    assert both.keys() == {"model", "value", "0"}


def test_a_dict_that_only_has_something_called_value_is_left_alone(tmp_path):
    tree = {"a": {"0": {"value": jnp.ones(2)}, "1": jnp.ones(3)}, "value": jnp.ones(1)}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", tree)
    loaded = read_checkpoint(tmp_path / "folder")
    assert jax.tree.structure(loaded) == jax.tree.structure(tree)


def test_steps_with_a_name(tmp_path):
    for prefix in ("ckpt", "other"):
        options = ocp.CheckpointManagerOptions(step_prefix=prefix, step_format_fixed_length=6)
        with ocp.CheckpointManager(tmp_path / "run", options=options) as manager:
            for step in (9, 10):
                manager.save(step, args=ocp.args.StandardSave({"w": jnp.full(3, float(step))}))
        if prefix == "ckpt":
            np.testing.assert_array_equal(read_checkpoint(tmp_path / "run")["w"], [10, 10, 10])
    with pytest.raises(CheckpointError, match=r"several names, 'ckpt_', 'other_': give the folder"):
        read_checkpoint(tmp_path / "run")


def test_links_out_of_an_orbax_folder_are_refused(tmp_path):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", {"w": jnp.ones(3)})
    metadata = tmp_path / "folder" / "_METADATA"
    inside = metadata.rename(tmp_path / "folder" / "metadata")
    metadata.symlink_to("metadata")
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "folder")["w"], np.ones(3))
    metadata.unlink()
    metadata.symlink_to(inside.rename(tmp_path / "outside"))
    refused(tmp_path / "folder", r"_METADATA is a link out of the folder")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "7").symlink_to(tmp_path / "folder")
    refused(tmp_path / "run", "7 is a link out of the folder")


def never_begun(name):
    """Leave a coroutine of this name alone."""

    async def read():
        """Read nothing."""

    read.__qualname__ = name
    read()


def test_damaged_orbax_folders_are_one_error(tmp_path, monkeypatch):
    """Reads that end after the first that fails are not heard of."""
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    with ocp.StandardCheckpointer() as checkpointer:
        arrays = {f"w{i}": jnp.full((9, 9), float(i)) for i in range(12)}
        checkpointer.save(tmp_path / "whole", arrays)
    for number, (name, message) in enumerate(
        (
            ("_METADATA", "its _METADATA is damaged"),
            ("manifest.ocdbt", "manifest"),
            ("**/d/*", "Error reading"),
        )
    ):
        folder = shutil.copytree(tmp_path / "whole", tmp_path / str(number))
        for file in folder.glob(name):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        refused(folder, message)
    time.sleep(0.2)  # they would come now
    gc.collect()
    assert not heard
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ignore_late_reads()
        for name in ("Store._get_array_metadatas", "other"):
            never_begun(name)
            gc.collect()
    assert [str(one.message) for one in told] == ["coroutine 'other' was never awaited"]
    other = types.SimpleNamespace(exc_value=RuntimeError("another"))
    sys.unraisablehook(other)
    assert heard == [other]
