"""Files of flax."""

import numpy as np
import pytest
from flax import serialization

from jaxcomp.checkpoints import CheckpointError, read_checkpoint
from tests.checkpoints.claims import refused


def test_files_of_flax_without_a_suffix_and_their_folder(tmp_path):
    for step in (9, 10):
        data = serialization.to_bytes({"w": np.full(3, step)})
        (tmp_path / f"checkpoint_{step}").write_bytes(data)
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "checkpoint_9")["w"], [9, 9, 9])
    np.testing.assert_array_equal(read_checkpoint(tmp_path)["w"], [10, 10, 10])
    (tmp_path / "checkpoint_9").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="not a valid flax checkpoint"):
        read_checkpoint(tmp_path / "checkpoint_9")


def test_many_single_numbers_are_refused_at_once(tmp_path):
    path = tmp_path / "w.msgpack"
    path.write_bytes(serialization.msgpack_serialize({"xs": list(range(200_000))}))
    refused(path, "200,000 single numbers, more than 10,000")
    path.write_bytes(serialization.msgpack_serialize({"xs": [1, 2.5], "w": np.ones(2)}))
    assert read_checkpoint(path)["xs"] == {0: 1, 1: 2.5}
