"""A checkpoint in shards: how long and in how much memory it is compressed and read.

python -m experiments.benchmarks.sharded [--shards N] [--megabytes N] [--type TYPE] [--output FILE]

Each shard has one normal array of the given size, and some small ones. Peaks are of the resident
size of processes of their own, less that of the program when it has done the same with a checkpoint
of a few kilobytes, in units of the largest array. What is read is counted by the kernel.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file, save_file

import jaxcomp
import jaxcomp.codec.compiled  # is there, with what it needs, before anything is measured
from experiments.benchmarks.memory import peak_bytes
from experiments.benchmarks.record import Record
from jaxcomp import strict_json
from jaxcomp.cli import main as jaxcomp_command

_COLUMNS = 4096
_SMALL = 3  # arrays of a shard beside the large one
_TYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}


def main() -> None:
    """The command."""
    if sys.argv[1:2] == ["measure"]:
        print(strict_json.dumps(_measured(*sys.argv[2:])))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--megabytes", type=int, default=84)
    parser.add_argument("--type", choices=tuple(_TYPES), default="float32")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/sharded.json"))
    options = parser.parse_args()
    arguments = [f"--{name}={getattr(options, name)}" for name in ("shards", "megabytes", "type")]
    record = Record("sharded", arguments, options.output)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, file, back = folder / "model", folder / "model.jxc", folder / "back"
        largest = _make(source, options.shards, 10**6 * options.megabytes, _TYPES[options.type])
        total = sum(path.stat().st_size for path in source.iterdir())
        for what, arguments in {
            "compress": (source, file),
            "read one array": (file, f"layer_{options.shards // 2}.kernel"),
            "decompress": (file, back),
        }.items():
            measured = _in_process(what, *map(str, arguments))
            peak = measured.pop("peak_bytes") / largest
            record.add({"what": what, **measured, "peak_over_largest_array": peak})
            print(strict_json.dumps(record.rows[-1]), flush=True)
        record.add({"what": "sizes", "checkpoint": total, "file": file.stat().st_size})
        _check(source, back)
        print(strict_json.dumps(record.rows[-1]))


def _make(folder: Path, shards: int, largest: int, dtype: Any) -> int:
    """Write a checkpoint whose largest arrays have about so many bytes, and return how many."""
    folder.mkdir()
    rng, places = np.random.default_rng(0), {}
    rows = largest // np.dtype(dtype).itemsize // _COLUMNS
    for number in range(shards):
        shard = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        arrays = {f"layer_{number}.kernel": (rows, _COLUMNS)}
        arrays |= {f"layer_{number}.norm_{i}.bias": (_COLUMNS,) for i in range(_SMALL)}
        drawn = {
            n: rng.standard_normal(s, dtype=np.float32).astype(dtype) for n, s in arrays.items()
        }
        save_file(drawn, folder / shard)
        places |= dict.fromkeys(arrays, shard)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return rows * _COLUMNS * np.dtype(dtype).itemsize


def _check(source: Path, back: Path) -> None:
    for path in sorted(source.glob("*.safetensors")):
        before, after = load_file(path), load_file(back / path.name)
        if before.keys() != after.keys() or any(
            before[name].tobytes() != after[name].tobytes() for name in before
        ):
            raise ValueError(f"{path.name} is not what it was")


def _in_process(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "experiments.benchmarks.sharded", "measure", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _measured(what: str, source: str, target: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        small = Path(name)
        _make(small / "model", 2, 4096 * 40, np.float32)
        _run("compress", small / "model", small / "model.jxc")
        _run("decompress", small / "model.jxc", small / "back")
    before, read = peak_bytes(), _read_bytes()
    begin = time.perf_counter()
    _run(what, source, target)
    return {
        "seconds": time.perf_counter() - begin,
        "bytes_read": _read_bytes() - read,
        "peak_bytes": peak_bytes() - before,
    }


def _run(what: str, source: str | Path, target: str | Path) -> None:
    if what == "read one array":
        jaxcomp.codec.open(source)[target]
    elif jaxcomp_command([what, str(source), "-o", str(target)]):
        raise RuntimeError(f"jaxcomp {what} failed")


def _read_bytes() -> int:
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


if __name__ == "__main__":
    main()
