"""What the codec makes of weights: how small, how fast and in how much memory.

python -m experiments.benchmarks.codec [--only GROUP ...] [--output FILE.json]

* fixed: the sets of `codec_sets`, with speed and memory (`codec_fixed`);
* trained: the sets of `trained_levels`, against NNCodec;
* dense: networks at 3 to 8 bits, against entropy and NNCodec;
* lossless: networks as they are, against zstd-19, ZipNN and BigSmall.

`python -m experiments.benchmarks.peer` creates what the last three need. Groups that are not
measured stay in the output file as they were.
"""

import argparse
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from rich.table import Table

from experiments.benchmarks import codec_fixed, codec_levels, codec_lossless, codec_sets
from experiments.report.commit import commit
from jaxcomp import strict_json
from jaxcomp.screen import PlainConsole


def _fixed() -> Any:
    for name in codec_sets.KNOWN:
        yield {"set": name, **codec_fixed.row_of(name)}


GROUPS = {
    "fixed": _fixed,
    "trained": codec_levels.trained,
    "dense": codec_levels.dense,
    "lossless": codec_lossless.rows,
}
_PACKAGES = ("numpy", "constriction", "numba")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=tuple(GROUPS), default=tuple(GROUPS))
    parser.add_argument("--output", type=Path, default=Path("experiments/results/codec.json"))
    options = parser.parse_args()
    record = strict_json.read(options.output, "remove it") if options.output.exists() else {}
    for group in options.only:
        rows = []
        for row in GROUPS[group]():
            rows.append(row)
            print(strict_json.dumps(row), flush=True)
        record[group] = {
            "commit": commit(),
            "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
            "python": platform.python_version(),
            "device": f"cpu: {platform.machine()}",
            "rows": rows,
        }
        strict_json.write(options.output, record, indent=1)
        PlainConsole(width=160).print(_table(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(
            *(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row.values())
        )
    return table


if __name__ == "__main__":
    main()
