"""What calibration makes of a network, at rising prices of a bit."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import jaxcomp
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.subject import Subject
from jaxcomp.compression import Calibration
from jaxcomp.compression.arrays import Arrays, in_memory
from jaxcomp.compression.calibration import Fidelity
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
    entries = {entry.name: entry for entry in arrays.stored}
    others = round_alone(arrays, None, bits_of(BIAS_BITS))
    work = InOrder(
        subject.params,
        calibration,
        lambda name, array: others(entries[name], array),
        weights=[entry.name for entry in arrays.weights],
        changeable=list(entries),
    )
    fidelity = Fidelity(calibration, subject.params)
    trade = _FIRST
    while fidelity(work.at(trade).params) > _FIRST_KL:
        trade /= _DOWN
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.jxc"
        for _ in range(_MOST):
            found = work.at(trade).arrays
            done = arrays.write(
                path, lambda entry, array, found=found: found.get(entry.name, array), lambda _: None
            )
            setting = {"trade": trade, "seed": seed, "examples": examples}
            yield Coded(setting, done.file_bytes, jaxcomp.load(path))
            trade *= _UP
