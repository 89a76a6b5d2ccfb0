"""Fixed sets of levels: bytes, speed on one and two cores, and memory.

* payload: the coded levels alone, to hold against the entropy of the levels of each tensor;
* speed: of `codec.write` and `codec.read`, in a process of its own on as many cores as threads, the
  fastest of three runs;
* memory: growth of the largest resident size of a process that has loaded what it runs, loads the
  levels and writes the file, or reads the file, over the size of the levels (one byte for each
  weight). Linux.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from experiments.benchmarks import codec_sets
from experiments.benchmarks.memory import peak_bytes
from experiments.benchmarks.temporary import file_bytes
from jaxcomp import codec, strict_json
from jaxcomp.codec.choice import choose_scheme
from jaxcomp.codec.coder import Encoder
from jaxcomp.codec.fast import coders
from jaxcomp.codec.scheme import code_levels

_REPEATS = 3
_CORES = (1, 2)


def row_of(name: str) -> dict[str, Any]:
    """Measure the set of a name in `codec_sets.KNOWN`."""
    entropy, nncodec_payload, nncodec_file = codec_sets.KNOWN[name]
    loaded = codec_sets.load(name)
    tensors = {name: (levels, _codebook(levels, size)) for name, levels, size in loaded}
    weights = sum(levels.size for levels, _ in tensors.values())
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/levels.npz", f"{folder}/weights.jxc"
        np.savez(source, **{name: levels for name, (levels, _) in tensors.items()})
        measured = {
            (what, cores): _in_process(what, source, target, cores)
            for cores in _CORES
            for what in ("encode", "decode")
        }
    payload = payload_bytes([levels for levels, _ in tensors.values()])
    row = {
        "weights": weights,
        "entropy_bytes": entropy,
        "payload_bytes": payload,
        "payload_over_entropy": payload / entropy,
        "nncodec_payload_bytes": nncodec_payload,
        "file_bytes": file_bytes(tensors),
        "nncodec_file_bytes": nncodec_file,
    }
    for what in ("encode", "decode"):
        row[f"{what}_million_per_second"] = [
            weights / measured[what, cores]["seconds"] / 1e6 for cores in _CORES
        ]
        row[f"{what}_memory"] = measured[what, 1]["bytes"] / weights
    return row


def payload_bytes(arrays: list[np.ndarray]) -> int:
    """Return the bytes of the levels of some arrays alone."""
    encoder, hints = Encoder(), {}
    for levels in arrays:
        bounds = min(0, int(levels.min())), max(0, int(levels.max()))
        scheme = choose_scheme(levels, bounds, hints)
        code_levels(encoder, levels.shape, bounds, scheme, hints, levels)
    return len(encoder.finish())


def main() -> None:
    """Measure in this process: WHAT SOURCE TARGET CORES."""
    what, source, target, cores = sys.argv[1:]
    print(strict_json.dumps(_measured(what, source, target, int(cores))))


def _codebook(levels: np.ndarray, size: int) -> np.ndarray:
    """A step, or as many values and zero as the set counts codebook floats."""
    if size == 1:
        return np.array(0.0123, np.float32)
    rng = np.random.default_rng(0)
    below = size // 2
    values = np.sort(rng.random((2, below)).astype(np.float32) + np.float32(0.01), axis=1)
    return np.concatenate([-values[0, ::-1], np.zeros(1, np.float32), values[1]])


def _in_process(what: str, source: str, target: str, cores: int) -> dict[str, float]:
    command = [sys.executable, "-m", "experiments.benchmarks.codec_fixed"]
    arguments = [what, source, target, str(cores)]
    done = subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def _measured(what: str, source: str, target: str, cores: int) -> dict[str, float]:
    """Seconds of the fastest run, and bytes by which the first one makes the process grow."""
    _load()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    before = peak_bytes()
    if what == "encode":
        with np.load(source) as archive:
            levels = dict(archive)
        tensors = {name: (array, np.array(0.0123, np.float32)) for name, array in levels.items()}

        def run() -> Any:
            return codec.write(target, tensors, threads=cores)
    else:

        def run() -> Any:
            return codec.read(target, threads=cores)

    seconds, growth = [], 0
    for repeat in range(_REPEATS):
        begin = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begin)
        del result
        if repeat == 0:
            growth = peak_bytes() - before
    return {"seconds": min(seconds), "bytes": growth}


def _load() -> None:
    """Load what is compiled, before anything is measured."""
    coders(2**30)
    rng = np.random.default_rng(0)
    sizes = np.outer(np.exp(rng.normal(size=300)), np.exp(rng.normal(size=300)))
    draws = rng.normal(size=(300, 300)) * sizes
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/levels.jxc"
        for levels in (draws > 3, draws.clip(-100, 100)):
            codec.write(path, {"w": (levels.astype(np.int8), np.array(0.5, np.float32))})
            codec.read(path)


if __name__ == "__main__":
    main()
