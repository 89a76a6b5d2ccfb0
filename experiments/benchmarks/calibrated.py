"""What calibration makes of a network, at rising prices of a bit."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import jaxcomp
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.subject import Subject
from jaxcomp.compression import Calibration
from jaxcomp.compression.arrays import Arrays, as_stored, in_memory
from jaxcomp.compression.data_free import bits_of, round_alone
from jaxcomp.compression.in_order import InOrder

BIAS_BITS = 8
_FIRST, _FIRST_KL, _DOWN, _UP = 1e-5, 0.002, 8.0, 1.2
_MOST = 60


def coded(subject: Subject, seed: int, examples: int) -> Iterator[Coded]:
    """Yield the network in a `.jxc` file, of less and less bytes, for one draw of examples.

    `jaxcomp.compress` with `trade` writes the same files, and tries others beside them.
    """
    calibration = Calibration(subject.apply, subject.batches(seed, examples), seed=seed)
    arrays = Arrays(in_memory(subject.params), None, None, False)
    others = round_alone(arrays, None, bits_of(BIAS_BITS))
    work = InOrder(subject.params, calibration, arrays, others)
    trade = _FIRST
    while work.at(trade)[1] > _FIRST_KL:
        trade /= _DOWN
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.jxc"
        for _ in range(_MOST):
            stored, _ = work.at(trade)
            done = arrays.write(path, as_stored(stored), lambda _: None)
            setting = {"trade": trade, "seed": seed, "examples": examples}
            yield Coded(setting, done.file_bytes, jaxcomp.load(path))
            trade *= _UP
