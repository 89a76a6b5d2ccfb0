"""The table of `experiments.benchmarks.recipe_networks`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.report.records import records_of

NETWORKS = ("digits_equinox", "mnist_nnx", "sonnets_linen", "regression_dicts")
_METHODS = {
    "for_size": "`for_size`",
    "by_hand": "by hand",
    "int8_zstd19": "pruned, int8, zstd-19",
}
HEADINGS = (
    "network, lower is better",
    "times smaller",
    "bytes allowed",
    *_METHODS.values(),
    "seeds",
)


def records_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the networks that were measured, by name."""
    return records_of(folder, "recipe", NETWORKS)


def rows(records: dict[str, dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    """Yield the cells of the table: a row for each network and size, with means over the seeds."""
    for name, record in records.items():
        for times in sorted({row["times_smaller"] for row in record["rows"]}):
            own = [row for row in record["rows"] if row["times_smaller"] == times]
            cells = (_cell([row for row in own if row["method"] == one]) for one in _METHODS)
            seeds = str(len({row["seed"] for row in own}))
            yield (
                f"{name}, {own[0]['unit']}",
                str(times),
                f"{own[0]['most_bytes']:,}",
                *cells,
                seeds,
            )


def _cell(rows: list[dict[str, Any]]) -> str:
    """Return the mean quality, the best and the worst, and the mean bytes."""
    if not rows:
        return "-"
    qualities = [row["quality"] for row in rows]
    spread = f" ({min(qualities):.3g} to {max(qualities):.3g})" if len(rows) > 1 else ""
    size = np.mean([row["bytes"] for row in rows])
    return f"{np.mean(qualities):.3g}{spread} in {size:,.0f} B"
