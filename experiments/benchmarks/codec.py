"""Bytes, speed and memory of the codec on fixed sets of quantized weights.

python -m experiments.benchmarks.codec [--only SET ...] [--output FILE.json]

The sets are those of `experiments.benchmarks.codec_sets`. Prints a table and writes it as JSON.

* payload: the entropy-coded levels; file: with names, shapes, codebooks and checksum.
* speed: the fastest of three runs in a process of its own, with the search for the best scheme, in
  millions of weights a second. One core.
* memory: the growth of the largest resident size of a process that loads the levels and writes the
  file, or reads the file, over the size of the levels (one byte for each weight). Linux.
"""

import argparse
import importlib.metadata
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from experiments.benchmarks import codec_sets
from experiments.report.commit import commit
from jaxcomp import codec, strict_json
from jaxcomp.codec.choice import choose_scheme
from jaxcomp.codec.coder import Encoder
from jaxcomp.codec.scheme import code_levels
from jaxcomp.screen import PlainConsole

REPEATS = 3

Tensors = dict[str, tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", nargs="+", choices=codec_sets.KNOWN, metavar="SET", help="sets to measure [all]"
    )
    parser.add_argument("--output", type=Path, default=Path("experiments/results/codec.json"))
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.measure:
        print(strict_json.dumps(_measured(*options.measure)))
        return
    record = {
        "commit": commit(),
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", "constriction")},
        "python": platform.python_version(),
        "device": f"cpu: {platform.machine()}, one core",
        "sets": {},
    }
    for name in options.only or codec_sets.KNOWN:
        record["sets"][name] = _of_set(codec_sets.load(name), *codec_sets.KNOWN[name])
        PlainConsole(width=140).print(_table({name: record["sets"][name]}))
    PlainConsole(width=140).print(_table(record["sets"]))
    strict_json.write(options.output, record, indent=1)


def _of_set(
    loaded: list[tuple[str, np.ndarray, int]],
    entropy: int,
    nncodec_payload: int,
    nncodec_file: int | None,
) -> dict[str, Any]:
    tensors = {name: (levels, _codebook(levels, size)) for name, levels, size in loaded}
    weights = sum(levels.size for levels, _ in tensors.values())
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/levels.npz", f"{folder}/weights.jxc"
        np.savez(source, **{name: levels for name, (levels, _) in tensors.items()})
        encoding = _in_process("encode", source, target)
        decoding = _in_process("decode", source, target)
        file_bytes = codec.write(target, tensors)
        for name, (levels, codebook) in codec.read(target).items():
            np.testing.assert_array_equal(levels, tensors[name][0])
            np.testing.assert_array_equal(codebook, tensors[name][1])
    payload = _payload([levels for levels, _ in tensors.values()])
    return {
        "weights": weights,
        "entropy_bytes": entropy,
        "payload_bytes": payload,
        "payload_over_entropy": payload / entropy,
        "nncodec_payload_bytes": nncodec_payload,
        "file_bytes": file_bytes,
        "nncodec_file_bytes": nncodec_file,
        "encode_million_per_second": weights / encoding["seconds"] / 1e6,
        "decode_million_per_second": weights / decoding["seconds"] / 1e6,
        "encode_memory": encoding["bytes"] / weights,
        "decode_memory": decoding["bytes"] / weights,
    }


def _codebook(levels: np.ndarray, size: int) -> np.ndarray:
    """A step, or as many values and zero as the set counts codebook floats."""
    if size == 1:
        return np.array(0.0123, np.float32)
    rng = np.random.default_rng(0)
    below = size // 2
    values = np.sort(rng.random((2, below)).astype(np.float32) + np.float32(0.01), axis=1)
    return np.concatenate([-values[0, ::-1], np.zeros(1, np.float32), values[1]])


def _payload(arrays: list[np.ndarray]) -> int:
    encoder, hints = Encoder(), {}
    for levels in arrays:
        bounds = min(0, int(levels.min())), max(0, int(levels.max()))
        scheme = choose_scheme(levels, bounds, hints)
        code_levels(encoder, levels.shape, bounds, scheme, hints, levels)
    return len(encoder.finish())


def _in_process(what: str, source: str, target: str) -> dict[str, float]:
    command = [sys.executable, "-m", "experiments.benchmarks.codec", "--measure"]
    done = subprocess.run([*command, what, source, target], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def _measured(what: str, source: str, target: str) -> dict[str, float]:
    """Seconds of the fastest run, and bytes by which the first one makes the process grow."""
    before = _peak()
    if what == "encode":
        with np.load(source) as archive:
            levels = dict(archive)
        tensors = {name: (array, np.array(0.0123, np.float32)) for name, array in levels.items()}

        def run() -> Any:
            return codec.write(target, tensors, threads=1)
    else:

        def run() -> Any:
            return codec.read(target, threads=1)

    seconds, growth = [], 0
    for repeat in range(REPEATS):
        begin = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begin)
        del result
        if repeat == 0:
            growth = _peak() - before
    return {"seconds": min(seconds), "bytes": growth}


def _peak() -> int:
    """The largest resident size of this process in bytes (Linux).

    Not `ru_maxrss`, which a process inherits from the one that started it.
    """
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])


def _table(sets: dict[str, dict[str, Any]]) -> Table:
    table = Table()
    headings = ("set", "weights", "entropy", "payload", "/ entropy", "NNCodec", "file", "NNCodec")
    for heading in (*headings, "encode M/s", "decode M/s", "memory x"):
        table.add_column(heading, justify="right")
    for name, one in sets.items():
        nncodec_file = one["nncodec_file_bytes"]
        table.add_row(
            name,
            f"{one['weights']:,}",
            f"{one['entropy_bytes']:,}",
            f"{one['payload_bytes']:,}",
            f"{one['payload_over_entropy']:.4f}",
            f"{one['nncodec_payload_bytes']:,}",
            f"{one['file_bytes']:,}",
            "-" if nncodec_file is None else f"{nncodec_file:,}",
            f"{one['encode_million_per_second']:.1f}",
            f"{one['decode_million_per_second']:.1f}",
            f"{one['encode_memory']:.1f} {one['decode_memory']:.1f}",
        )
    return table


if __name__ == "__main__":
    main()
