"""Folders of `.safetensors` files with an index: read, stored, and written again."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import jaxcomp
from jaxcomp.checkpoints import (
    CheckpointError,
    open_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from jaxcomp.checkpoints.shards import INDEX, SHARDS
from jaxcomp.cli import main
from tests.checkpoints.claims import assert_same, memory_of

FILES = ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "last.safetensors"]


@pytest.fixture
def shards(tmp_path):
    """Three files, of two arrays each, and all arrays by name."""
    rng = np.random.default_rng(0)
    folder, weight_map, arrays = tmp_path / "model", {}, {}
    folder.mkdir()
    for number, file in enumerate(FILES):
        own = {
            f"layer.{number}.weight": rng.normal(size=(8, 4)).astype(np.float32),
            f"layer.{number}.bias": np.full(8, number, np.float16),
        }
        save_file(own, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(own, file)
        arrays |= own
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / f"model{INDEX}").write_text(json.dumps(index))
    return folder, arrays


def change_index(folder, change):
    path = folder / f"model{INDEX}"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


@pytest.mark.parametrize("path", ["", f"model{INDEX}"])
def test_the_folder_or_its_index_is_one_checkpoint(shards, path):
    folder, arrays = shards
    assert_same(arrays, read_checkpoint(folder / path))
    with open_checkpoint(folder / path) as checkpoint:
        assert checkpoint.metadata == {"format": "pt"}
        assert [checkpoint.shard_of[entry.names] for entry in checkpoint.entries] == [
            file for file in sorted(FILES) for _ in range(2)
        ]


def test_it_is_stored_and_comes_back_as_the_same_files(shards, tmp_path, capsys):
    folder, arrays = shards
    assert main(["compress", str(folder), "-o", str(tmp_path / "a.jxc")]) == 0
    assert_same(arrays, jaxcomp.load(tmp_path / "a.jxc"))
    assert main(["decompress", str(tmp_path / "a.jxc"), "-o", str(tmp_path / "back")]) == 0
    for file in FILES:
        assert_same(load_file(folder / file), load_file(tmp_path / "back" / file))
    assert_same(arrays, read_checkpoint(tmp_path / "back"))
    with open_checkpoint(tmp_path / "back") as checkpoint:
        assert checkpoint.metadata == {"format": "pt"}
    # Into one file, too, which says nothing of shards.
    assert main(["decompress", str(tmp_path / "a.jxc"), "-o", str(tmp_path / "b.safetensors")]) == 0
    with open_checkpoint(tmp_path / "b.safetensors") as checkpoint:
        assert checkpoint.metadata == {"format": "pt"}
    assert main(["decompress", str(tmp_path / "a.jxc"), "-o", str(tmp_path / "back")]) == 1
    assert "give the path of a new folder" in capsys.readouterr().err


def test_arrays_that_are_left_out_are_in_no_shard(shards, tmp_path):
    folder, arrays = shards
    command = ["compress", str(folder), "-o", str(tmp_path / "a.jxc"), "--exclude", "bias|1"]
    assert main(command) == 0
    assert main(["decompress", str(tmp_path / "a.jxc"), "-o", str(tmp_path / "back")]) == 0
    back = {path.name: [*load_file(path)] for path in (tmp_path / "back").glob("*.safetensors")}
    assert back == {FILES[0]: ["layer.0.weight"], FILES[2]: ["layer.2.weight"]}
    del arrays


def test_another_file_has_no_shards(tmp_path, capsys):
    write_checkpoint(tmp_path / "m.npz", [(("w",), np.ones((2, 2)))])
    assert main(["compress", str(tmp_path / "m.npz"), "-o", str(tmp_path / "m.jxc")]) == 0
    assert main(["decompress", str(tmp_path / "m.jxc"), "-o", str(tmp_path / "m")]) == 1
    assert "not made of a folder of shards" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.jxc", "m.npz"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.pop("weight_map"), "it has no 'weight_map'"),
        (lambda index: index["weight_map"].update(a="../x.safetensors"), "in the same folder"),
        (lambda index: index["weight_map"].update(a="/x.safetensors"), "in the same folder"),
        (lambda index: index["weight_map"].update(a="x.bin"), "is not the name of a .safetensors"),
        (lambda index: index["weight_map"].update(a=FILES[0]), f"'a' is in {FILES[0]}: it is not"),
    ],
)
def test_an_index_that_cannot_be_right_is_refused(shards, change, message):
    folder, _ = shards
    change_index(folder, change)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(folder)


def test_a_file_that_is_missing_is_named(shards):
    folder, _ = shards
    (folder / FILES[1]).unlink()
    with pytest.raises(FileNotFoundError, match="No such file, though the index names it") as error:
        read_checkpoint(folder)
    assert error.value.filename == str(folder / FILES[1])


def test_arrays_that_the_index_does_not_name_are_told(shards):
    folder, arrays = shards
    change_index(folder, lambda index: index["weight_map"].pop("layer.1.bias"))
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.remarks == (
            f"1 arrays of {FILES[1]}, which the index does not name, are left out",
        )
    assert read_checkpoint(folder).keys() == arrays.keys() - {"layer.1.bias"}


def test_several_indexes_are_a_question(shards):
    folder, _ = shards
    (folder / f"other{INDEX}").write_text("{}")
    with pytest.raises(CheckpointError, match=f"give one of them: model{INDEX}, other{INDEX}"):
        read_checkpoint(folder)


@pytest.mark.parametrize("files", ['[["../a.safetensors", 1]]', "[1]", "{", '[["a", 1]]'])
def test_metadata_of_strangers_write_nowhere_else(tmp_path, files):
    arrays = [(("w",), np.ones(2))]
    with pytest.raises(CheckpointError):
        write_checkpoint(tmp_path / "folder", arrays, {SHARDS: files})
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def arrays():
        yield ("a",), np.ones(2)
        raise OSError("the disk is full")

    files = json.dumps([["a.safetensors", 1], ["b.safetensors", 1]])
    with pytest.raises(OSError, match="the disk is full"):
        write_checkpoint(tmp_path / "folder", arrays(), {SHARDS: files})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.safetensors", "folder"])
def test_one_array_at_a_time_is_in_memory(tmp_path, name):
    size = 2**22

    def arrays():
        for i in range(8):
            yield (f"w{i}",), np.full(size, i, np.int8)

    metadata = {SHARDS: json.dumps([["a.safetensors", 4], ["b.safetensors", 4]])}
    assert memory_of(lambda: write_checkpoint(tmp_path / name, arrays(), metadata)) < 3 * size
    assert all((w == i).all() for i, w in enumerate(read_checkpoint(tmp_path / name).values()))
