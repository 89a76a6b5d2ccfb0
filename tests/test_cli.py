"""The command `jaxcomp`."""

import json
import tracemalloc

import numpy as np
import pytest

import jaxcomp
from jaxcomp import codec
from jaxcomp.cli import main


@pytest.fixture
def path(tmp_path):
    kernel = np.where(np.arange(400) % 4, 0, np.float32(2)).reshape(20, 20)
    params = {"Dense_0": {"kernel": kernel, "bias": np.arange(20.0)}, "steps": np.array(7)}
    jaxcomp.save(tmp_path / "model.jxc", params)
    return tmp_path / "model.jxc"


def test_inspect_shows_every_tensor_and_the_whole(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["inspect", str(path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = {fields[0]: fields for fields in lines if fields}
    kernel = codec.describe(path).tensors[0].payload_bytes
    assert rows["Dense_0/kernel"][1:6] == [
        "20x20",
        "100",
        "2",
        f"{kernel:,.0f}",
        f"{8 * kernel / 400:.3f}",
    ]
    sizes = {one.name: one.payload_bytes for one in codec.describe(path).tensors}
    for name, size in sizes.items():
        assert rows[name][6] == "#" * max(1, round(10 * size / max(sizes.values())))
    assert rows["steps"][1] == "scalar"
    assert f"{path.stat().st_size:,}" in rows["421"]


def test_long_names_are_folded_and_leave_numbers_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    name = "/".join(["a_name_of_some_length"] * 4)
    jaxcomp.save(tmp_path / "m.jxc", {name: np.zeros((123, 456))})
    assert main(["inspect", str(tmp_path / "m.jxc")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    [row] = [line for line in lines if "123x456" in line]
    assert row.split()[1:4] == ["123x456", "0", "1"]
    folded = "".join(line.split()[0] for line in lines if "a_name" in line or "length" in line)
    assert name in folded.replace("…", "")


def test_inspect_sorts_by_bytes(path, capsys):
    assert main(["inspect", str(path), "--sort", "bytes", "--json"]) == 0
    sizes = [one["payload_bytes"] for one in json.loads(capsys.readouterr().out)["tensors"]]
    assert sizes == sorted(sizes, reverse=True)
    assert main(["inspect", str(path), "--sort", "bytes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    by_bytes = sorted(codec.describe(path).tensors, key=lambda one: -one.payload_bytes)
    order = [one.name for one in by_bytes]
    assert [name for name in names if name in order] == order


def test_inspect_adds_up_kinds(tmp_path, capsys):
    rng = np.random.default_rng(0)
    arrays = {
        "a": {"kernel": np.sign(rng.normal(size=(9, 9))), "bias": rng.normal(size=9)},
        "b": {"kernel": np.sign(rng.normal(size=(9, 9))), "scale": np.ones(9)},
    }
    jaxcomp.save(tmp_path / "m.jxc", arrays)
    assert main(["inspect", str(tmp_path / "m.jxc"), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    kinds = {kind["kind"]: kind for kind in info["kinds"]}
    assert {name: (kind["tensors"], kind["elements"]) for name, kind in kinds.items()} == {
        "few values": (3, 171),
        "as is": (1, 9),
    }
    total = sum(kind["payload_bytes"] for kind in info["kinds"])
    assert total == pytest.approx(sum(one["payload_bytes"] for one in info["tensors"]))
    assert main(["inspect", str(tmp_path / "m.jxc")]) == 0
    out = capsys.readouterr().out
    assert "3 tensors of few values: 171 entries" in out
    assert "1 tensor as it is: 9 entries" in out


def test_inspect_as_json(path, capsys):
    assert main(["inspect", str(path), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["file_bytes"] == path.stat().st_size
    assert [tensor["name"] for tensor in info["tensors"]] == [
        "Dense_0/kernel",
        "Dense_0/bias",
        "steps",
    ]
    assert info["tensors"][0]["nonzeros"] == 100


def test_a_file_without_arrays(tmp_path, capsys):
    jaxcomp.save(tmp_path / "empty.jxc", {})
    assert main(["inspect", str(tmp_path / "empty.jxc")]) == 0
    assert "0 entries" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["missing", "empty", "cut off", "folder"])
def test_a_file_that_cannot_be_used_is_one_line_and_status_1(path, capsys, damage):
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path = path.parent
    assert main(["inspect", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"jaxcomp: {path}: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("command", ["inspect", "decompress"])
def test_a_file_that_takes_more_memory_than_allowed_is_one_line(tmp_path, capsys, command):
    path, out = tmp_path / "model.jxc", tmp_path / "back.npz"
    jaxcomp.save(path, {"w": np.zeros((1000, 1000))})
    arguments = [command, str(path), *(["-o", str(out)] if command == "decompress" else [])]
    assert main([*arguments, "--max-memory", "10"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"jaxcomp: {path}: ")
    assert "MB of memory, beyond the limit of 10 MB" in captured.err
    assert captured.err.count("\n") == 1
    assert not out.exists()
    assert main([*arguments, "--max-memory", "100"]) == 0


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_checkpoint_is_made_in_the_memory_of_one_array(tmp_path, suffix):
    path = tmp_path / "model.jxc"
    jaxcomp.save(path, {str(i): np.zeros((1000, 1000)) for i in range(4)})
    limit = ["--max-memory", "40"]
    assert main(["decompress", str(path), "-o", str(tmp_path / f"back{suffix}"), *limit]) == 0


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_no_more_memory_is_taken_for_a_checkpoint_than_is_counted(tmp_path, suffix):
    path = tmp_path / "model.jxc"
    # Larger than what is counted beside arrays, so that none of them can hide in it.
    jaxcomp.save(path, {str(i): np.zeros((1500, 2000)) for i in range(3)})
    arguments = ["decompress", str(path), "-o", str(tmp_path / f"back{suffix}")]
    assert main(arguments) == 0  # what is imported on the way is not of the file
    tracemalloc.start()
    assert main(arguments) == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak > 48e6  # of two arrays at least
    assert main([*arguments, "--max-memory", str(peak / 1e6)]) == 1


@pytest.mark.parametrize("text", ["", "Unable to allocate 1. TiB"])
@pytest.mark.parametrize("command", ["inspect", "decompress", "compress"])
def test_memory_that_is_not_there_is_one_line(path, tmp_path, capsys, monkeypatch, command, text):
    def fail(*args, **options):
        raise MemoryError(*filter(None, [text]))

    for name in ("describe", "arrays"):
        monkeypatch.setattr(codec, name, fail)
    monkeypatch.setattr("jaxcomp.compression.compress", fail)
    if command == "compress":
        np.savez(path.with_suffix(".npz"), w=np.ones(3))
        path = path.with_suffix(".npz")
    out = {"inspect": [], "decompress": ["-o", "b.npz"], "compress": ["-o", "b.jxc"]}[command]
    assert main([command, str(path), *out]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"jaxcomp: {path}: not enough memory. {text}".rstrip() + "\n"


@pytest.mark.parametrize("number", ["0", "-1", "nan", "1G"])
def test_memory_is_a_positive_number(path, capsys, number):
    with pytest.raises(SystemExit) as exit_:
        main(["inspect", str(path), "--max-memory", number])
    assert exit_.value.code == 2
    assert "--max-memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["unpack"], ["inspect"], ["compress", "a.npz", "-o", "a.jxc", "--prun", "0.5"]],
)
def test_wrong_use_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: jaxcomp" in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    assert "inspect" in capsys.readouterr().out
