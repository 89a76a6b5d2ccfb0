"""What a benchmark leaves behind: its rows, with the command and the machine they are of."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.paired import Pair, spread
from experiments.report.environment import environment
from jaxcomp import strict_json


class Record:
    """The rows of a benchmark, in a file from the first one on."""

    def __init__(self, module: str, arguments: list[str], output: Path, **about: Any):
        """Begin that of `python -m experiments.benchmarks.MODULE ARGUMENTS`."""
        self.rows: list[dict[str, Any]] = []
        self._output = output
        self._record = {
            "command": shlex.join(["python", "-m", f"experiments.benchmarks.{module}", *arguments]),
            **environment(),
            **about,
            "rows": self.rows,
        }

    def add(self, row: dict[str, Any]) -> None:
        """Also to the file: a run that is stopped leaves what it has measured."""
        self.rows.append(row)
        strict_json.write(self._output, self._record, indent=1)


def row_of(about: dict[str, Any], pair: Pair, ratios: np.ndarray) -> dict[str, Any]:
    """The ratios, which may be others than those of the pair, and the times in milliseconds."""
    row = {**about, "ratio": spread(ratios), "repeats": len(ratios)}
    for name, seconds in zip(("baseline", "variant"), pair, strict=True):
        row[f"{name}_milliseconds"] = spread(1e3 * np.array(seconds))
    return row


def cells_of(ratio: dict[str, float]) -> tuple[str, str]:
    """Median and quartiles of a row's ratio, for a table."""
    quartiles = f"{ratio['lower_quartile']:.3f} - {ratio['upper_quartile']:.3f}"
    return f"{ratio['median']:.3f}", quartiles
