"""Bytes of networks at equal quality: calibrated, by their weights alone, and by others' tools.

python -m experiments.benchmarks.checkpoints NETWORK [--methods M ...] [--draws N] [--output FILE]

Settings are chosen on the validation split: for each loss of quality the one of the fewest bytes.
What is chosen is then looked at on the test split, once. Calibration is repeated for several draws
of its examples. Methods that leave nothing to choose have a row for each form, with what it loses.
A method that fails leaves a row that says how. What the output file has already is not measured
again.
"""

import argparse
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
from rich.table import Table

from experiments.benchmarks import calibrated, data_free, nncodec_peer, plain, qwix_peer
from experiments.benchmarks.checkpoint_networks import SUBJECTS, load
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.record import Record
from experiments.benchmarks.subject import EXAMPLES, SPLITS, Subject
from jaxcomp import strict_json
from jaxcomp.screen import PlainConsole

METHODS = ("plain", "qwix", "data_free", "nncodec", "calibrated")
_WITHOUT_CHOICE = ("plain", "qwix")
_BEYOND = 1.5  # times the largest loss: no smaller file is looked at


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("network", choices=tuple(SUBJECTS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--draws", type=int, default=5, help="of calibration examples [5]")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="in each of them")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    subject = load(options.network)
    output = options.output or Path(f"experiments/results/checkpoint_{options.network}.json")
    dense = {split: subject.quality(subject.params, split) for split in SPLITS}
    known = _known(output, dense)
    record = Record(
        "checkpoints",
        [options.network],
        output,
        dense=dense,
        unit=subject.unit,
        float32_bytes=sum(array.nbytes for array in jax.tree.leaves(subject.params)),
    )
    for row in known:
        record.add(row)
    table = Table("method", "draw", "loss", "bytes", "on the test split", "seconds", box=None)
    for method in options.methods:
        for seed in range(options.draws if method == "calibrated" else 1):
            if any((row["method"], row["draw"]) == (method, seed) for row in known):
                continue
            started = time.perf_counter()
            tried = _tried(method, subject, seed, options.examples)
            rows_of = _every if method in _WITHOUT_CHOICE else _chosen
            rows = list(rows_of(subject, dense, tried))
            seconds = time.perf_counter() - started
            for row in rows:
                record.add({"method": method, "draw": seed, "seconds": seconds, **row})
    for row in record.rows:
        shown = [row.get(key) for key in ("method", "draw", "loss", "bytes", "test_loss")]
        table.add_row(*map(str, shown), f"{row['seconds']:.0f}")
    PlainConsole(width=120).print(table)


def _known(output: Path, dense: dict[str, float]) -> list[dict[str, Any]]:
    """Return the rows that a file has of the same dense network, on this machine or another."""
    if not output.exists():
        return []
    record = strict_json.read(output, "remove it")
    # Sums over the examples differ between machines in their last digits.
    if not all(
        math.isclose(dense[split], record["dense"][split], rel_tol=1e-5) for split in SPLITS
    ):
        raise ValueError(f"{output} is of another network: its quality was {record['dense']}")
    return record["rows"]


def _tried(method: str, subject: Subject, seed: int, examples: int) -> Iterable[Coded]:
    if method == "calibrated":
        return calibrated.coded(subject, seed, examples)
    if method == "qwix":
        return qwix_peer.coded(subject.model, subject.params, subject.batches(seed, examples))
    if method == "data_free":
        return data_free.coded(subject)
    by_weights = {"plain": plain, "nncodec": nncodec_peer}
    return by_weights[method].coded(subject.params)


def _every(
    subject: Subject, dense: dict[str, float], tried: Iterable[Coded]
) -> Iterable[dict[str, Any]]:
    """Yield a row for each file, with what it loses."""
    for one in tried:
        row: dict[str, Any] = {"setting": one.setting, "bytes": one.file_bytes}
        if one.params is None:
            row["failed"] = one.failed
        else:
            for split in SPLITS:
                row[f"{split}_loss"] = subject.quality(one.params, split) - dense[split]
        yield row


def _chosen(
    subject: Subject, dense: dict[str, float], tried: Iterable[Coded]
) -> Iterable[dict[str, Any]]:
    """Yield for each loss the smallest file that stays below it, and what it is on the test."""
    best: dict[float, Coded] = {}
    for one in tried:
        if one.params is None:
            yield {"setting": one.setting, "bytes": None, "failed": one.failed}
            continue
        lost = subject.quality(one.params, "validation") - dense["validation"]
        for loss in subject.losses:
            fewer = loss not in best or one.file_bytes < best[loss].file_bytes
            if lost <= loss and fewer:
                best[loss] = one
        if "trade" in one.setting and lost > _BEYOND * max(subject.losses):
            break
    for loss in subject.losses:
        row: dict[str, Any] = {"loss": loss, "bytes": None}
        if loss in best:
            one = best[loss]
            test = subject.quality(one.params, "test") - dense["test"]
            row |= {"bytes": one.file_bytes, "test_loss": test, "setting": one.setting}
        yield row


if __name__ == "__main__":
    main()
