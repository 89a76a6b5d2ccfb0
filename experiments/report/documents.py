"""The tables of README.md and docs/, written from the records of results.

python -m experiments.report.documents

In a document a table stands between `<!-- table: NAME -->`, with a name in `TABLES`, and
`<!-- end -->`. The command writes all of them anew.
"""

import re
from collections.abc import Callable
from pathlib import Path

from experiments.report import (
    checkpoint_table,
    codec_table,
    cost_tables,
    headline_table,
    markdown,
    recipe_table,
    training_tables,
)
from experiments.report.penalties_table import penalties_table
from experiments.report.records import RESULTS, ROOT, record_of
from experiments.report.results_table import results_table
from jaxcomp.files import replacing

_BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

DOCUMENTS = tuple(
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if _BLOCK.search(path.read_text())
)


def main() -> None:
    """The command."""
    for path in DOCUMENTS:
        text = written(path)
        with replacing(path) as temporary:
            temporary.write_text(text)


def written(path: Path) -> str:
    """Return the text of a document with its tables as the records have them.

    Raises:
      ValueError: if a block has a name that is not in `TABLES`.
    """
    up = "../" * (len(path.relative_to(ROOT).parts) - 1)

    def block(found: re.Match) -> str:
        begin, name, end = found.groups()
        if name not in TABLES:
            raise ValueError(f"{path}: there is no table {name!r}: choose from {', '.join(TABLES)}")
        table = TABLES[name]().replace("](experiments/", f"]({up}experiments/")
        return f"{begin}\n{table}\n\n{end}"

    return _BLOCK.sub(block, path.read_text())


def _beside_published(model: str, *names: str) -> str:
    published = record_of("published")[model]
    return results_table({f"{name}.json": record_of(name) for name in names}, published)


def _checkpoints() -> str:
    records = checkpoint_table.records_in(RESULTS)
    return markdown.table(checkpoint_table.HEADINGS, checkpoint_table.rows(records))


def _checkpoint_forms() -> str:
    records = checkpoint_table.records_in(RESULTS)
    return markdown.table(checkpoint_table.FORM_HEADINGS, checkpoint_table.form_rows(records))


def _recipe_networks() -> str:
    return markdown.table(
        recipe_table.HEADINGS, recipe_table.rows(recipe_table.records_in(RESULTS))
    )


TABLES: dict[str, Callable[[], str]] = {
    "headline": headline_table.headline,
    "digits-and-mnist": training_tables.digits_and_mnist,
    "checkpoints": _checkpoints,
    "checkpoint-forms": _checkpoint_forms,
    "codec": codec_table.fixed,
    "codec-trained": codec_table.trained,
    "codec-dense": codec_table.dense,
    "codec-lossless": codec_table.lossless,
    "codec-sharded": codec_table.sharded,
    "costs-of-updates": cost_tables.updates,
    "costs-of-the-rest": cost_tables.the_rest,
    "costs-of-feeding": cost_tables.feeding,
    "products": cost_tables.products,
    "products-bytes": cost_tables.products_bytes,
    "mnist-lenet300": lambda: _beside_published(
        "lenet_300_100", "mnist_lenet300", "mnist_lenet300_shifted"
    ),
    "mnist-lenet5": lambda: _beside_published("lenet_5_caffe", *training_tables.LENET5),
    "lenet5-trainings": training_tables.lenet5,
    "sonnets": training_tables.sonnets,
    "cifar10": training_tables.cifar10,
    "recipe-networks": _recipe_networks,
    "penalties": lambda: penalties_table(record_of("penalties_mnist")),
}


if __name__ == "__main__":
    main()
