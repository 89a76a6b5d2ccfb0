"""Writes the table of the first page: one row for each of six networks, beside published files."""

from typing import Any, NamedTuple

from experiments.report import markdown
from experiments.report.records import record_of


class _Row(NamedTuple):
    record: str
    network: str
    published: str | None  # its network in `published.json`
    page: str


_ROWS = (
    _Row("digits_lenet300", "LeNet-300-100, digits", None, "lenet-300-100-on-the-digits"),
    _Row("mnist_lenet300", "LeNet-300-100, MNIST", "lenet_300_100", "lenet-300-100-on-mnist"),
    _Row("mnist_lenet5", "LeNet-5, MNIST", "lenet_5_caffe", "lenet-5-caffe-on-mnist"),
    _Row(
        "mnist_lenet5_smallest",
        "LeNet-5, MNIST, shifted images",
        "lenet_5_caffe",
        "lenet-5-caffe-on-mnist",
    ),
    _Row("sonnets_transformer", "transformer, next character of the sonnets", None, "text"),
    _Row("cifar10_vgg16", "VGG-16, JPEG copy of CIFAR-10", None, "images-in-color"),
)


def headline() -> str:
    """Return the table: error, bytes and times smaller, and the smallest published file."""
    published = record_of("published")
    return markdown.table(
        ("network", "test error, %", "bytes", "times smaller", "published", "page"),
        [_cells(row, published) for row in _ROWS],
        text_columns=(0, 5),
    )


def _cells(row: _Row, published: dict[str, Any]) -> tuple[str, ...]:
    mean = record_of(row.record)["mean"]
    return (
        row.network,
        f"{100 - 100 * mean['test_accuracy_read_back']:.2f}",
        f"{mean['bytes_jxc']:,.0f}",
        f"{mean['ratio_jxc']:,.0f}",
        _smallest(published[row.published]) if row.published else "-",
        f"[{row.record}](docs/results.md#{row.page})",
    )


def _smallest(rows: list[dict[str, Any]]) -> str:
    best = min((row for row in rows if "bytes" in row), key=lambda row: row["bytes"])
    return f"{best['bytes']:,} bytes, {best['test_error']:.2f} %"
