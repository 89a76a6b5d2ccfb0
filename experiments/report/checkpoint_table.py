"""The tables and the figure of `experiments.benchmarks.checkpoints`.

python -m experiments.report.checkpoint_table

The command draws `experiments/results/checkpoints.png`; `experiments.report.documents` writes the
tables.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from experiments.report.plots.files import save
from experiments.report.records import RESULTS, records_of
from jaxcomp.analysis.plots.colors import BLACK, BLUE, VERMILLION

FIGURE = "checkpoints.png"
NETWORKS = (
    "lenet300_adamw",
    "lenet300_l2",
    "lenet5_caffe",
    "transformer",
    "g2p_en",
    "silero_vad",
)
_COLUMNS = 3  # of panels
_NAMES = {
    "data_free": "weights alone",
    "nncodec": "NNCodec, own quantizer",
    "calibrated": "calibrated",
}
_STYLES = {
    "data_free": ("s", ":", BLACK),
    "nncodec": ("^", "--", VERMILLION),
    "calibrated": ("o", "-", BLUE),
}


class Bytes(NamedTuple):
    """Bytes of a method at one loss of quality, over the draws of its examples."""

    mean: float
    least: float
    most: float
    draws: int


def main() -> None:
    """The command."""
    save(draw(records_in(RESULTS)), RESULTS / FIGURE)


def records_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the networks that were measured, by name."""
    return records_of(folder, "checkpoint", NETWORKS)


def losses_of(record: dict[str, Any]) -> list[float]:
    """Return the losses of quality that sizes are of, ascending."""
    return sorted({row["loss"] for row in record["rows"] if "loss" in row})


def bytes_of(record: dict[str, Any], method: str, loss: float) -> Bytes | None:
    """Return the bytes of a method; None where a draw of it did not get there."""
    sizes = [
        row["bytes"]
        for row in record["rows"]
        if row["method"] == method and row.get("loss") == loss
    ]
    if not sizes or None in sizes:
        return None
    return Bytes(sum(sizes) / len(sizes), min(sizes), max(sizes), len(sizes))


def rows(records: dict[str, dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    """Yield the cells of the table: a row for each network and loss."""
    for name, record in records.items():
        for loss in losses_of(record):
            each = {method: bytes_of(record, method, loss) for method in _NAMES}
            cells = ("-" if size is None else f"{size.mean:,.0f}" for size in each.values())
            own = each["calibrated"]
            several = own is not None and own.draws > 1
            spread = f" ({own.least:,.0f} to {own.most:,.0f})" if several else ""
            *others, last = cells
            fewer = (_fewer(own, each[method]) for method in ("data_free", "nncodec"))
            draws = str(own.draws) if own else "-"
            found = f"**{last}**{spread}" if own else last
            yield f"{name}, +{loss:g}", *others, found, draws, *fewer


HEADINGS = (
    "network, loss",
    *_NAMES.values(),
    "draws",
    "fewer than weights alone",
    "fewer than NNCodec",
)


def _form(levels: str, stored: str) -> dict[str, str]:
    return {"levels": levels, "stored": stored}


_FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "zstd-19": ("plain", {"stored": "float32_zstd19"}),
    "lossless `.jxc`": ("plain", {"stored": "lossless_jxc"}),
    "int8, zstd-19": ("plain", {"stored": "int8_zstd19"}),
    "GPTQ of Qwix, int8, zstd-19": ("qwix", _form("int8", "zstd19")),
    "the same, `.jxc`": ("qwix", _form("int8", "jxc")),
    "int4, zstd-19": ("qwix", _form("int4", "zstd19")),
    "int4, `.jxc`": ("qwix", _form("int4", "jxc")),
}
FORM_HEADINGS = ("network", "float32", *_FORMS)


def form_rows(records: dict[str, dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    """Yield the cells of the table of forms that leave no choice: a row for each network."""
    for name, record in records.items():
        cells = (_of_form(record, *form) for form in _FORMS.values())
        yield name, f"{record['float32_bytes']:,}", *cells


def _of_form(record: dict[str, Any], method: str, setting: dict[str, str]) -> str:
    for row in record["rows"]:
        # Where a tool fails there is no form that it was to be stored in.
        if row["method"] == method and row["setting"].items() <= setting.items():
            if row["bytes"] is None:
                return "fails"
            lost = row["test_loss"]
            return f"{row['bytes']:,}" + (f" ({lost:+.2g})" if lost else "")
    return "-"


def _fewer(own: Bytes | None, other: Bytes | None) -> str:
    return f"{100 * (1 - own.mean / other.mean):.0f} %" if own and other else "-"


def draw(records: dict[str, dict[str, Any]]) -> Figure:
    """Return the figure: bytes against what is lost, a panel for each network."""
    rows = -(-len(records) // _COLUMNS)
    columns = min(_COLUMNS, len(records))
    figure = Figure(figsize=(2.9 * columns, 3 * rows), layout="constrained")
    panels = [figure.add_subplot(rows, columns, i + 1) for i in range(len(records))]
    for axes, (name, record) in zip(panels, records.items(), strict=True):
        for method, label in _NAMES.items():
            found = {loss: bytes_of(record, method, loss) for loss in losses_of(record)}
            found = {loss: size for loss, size in found.items() if size is not None}
            means = [size.mean / 1000 for size in found.values()]
            spread = [
                [(size.mean - size.least) / 1000 for size in found.values()],
                [(size.most - size.mean) / 1000 for size in found.values()],
            ]
            marker, line, color = _STYLES[method]
            style = {"marker": marker, "linestyle": line, "color": color, "markersize": 6}
            axes.errorbar(list(found), means, yerr=spread, label=label, capsize=3, **style)
        axes.set(title=name, xlabel=f"loss of quality,\n{record['unit']}", yscale="log")
        axes.set_xticks(losses_of(record), [f"{loss:g}" for loss in losses_of(record)])
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.3)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("size of the file, kB")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    main()
