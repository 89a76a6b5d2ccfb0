"""The tables of README.md and docs/, written from the records of results.

python -m experiments.tables

In a document a table stands between `<!-- table: NAME -->`, with a name in `TABLES`, and
`<!-- end -->`. The command writes all of them anew.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.benchmarks import checkpoint_table, recipe_table
from jaxcomp import strict_json
from jaxcomp.analysis.tables import penalties_table, results_table
from jaxcomp.files import replacing

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
DOCUMENTS = (
    ROOT / "README.md",
    *(
        ROOT / "docs" / name
        for name in ("results.md", "scale.md", "calibrated_compression.md", "recipe.md")
    ),
)

_BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_FORMS = ("dense", "penalized", "read_back")
_FORM_NAMES = {
    "dense": "dense",
    "penalized": "pruned, as floats",
    "read_back": "read back from the file",
}


def main() -> None:
    """The command."""
    for path in DOCUMENTS:
        text = written(path)
        with replacing(path) as temporary:
            temporary.write_text(text)


def written(path: Path) -> str:
    """The text of a document with its tables as the records have them.

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


def record_of(name: str) -> dict[str, Any]:
    """The record of that name."""
    return strict_json.read(RESULTS / f"{name}.json", "check it out again")


def _beside_published(model: str, *names: str) -> str:
    published = record_of("published")[model]
    return results_table({f"{name}.json": record_of(name) for name in names}, published)


def _lenet300() -> str:
    digits, mnist = records = record_of("digits_lenet300"), record_of("mnist_lenet300")

    def row(name: str, cell: Callable[[dict[str, Any]], str]) -> tuple[str, ...]:
        return name, *map(cell, records)

    return _table(
        (
            "",
            *(
                f"{name} ({record['test_examples']:,} for test)"
                for name, record in (("digits of scikit-learn", digits), ("MNIST", mnist))
            ),
        ),
        [
            row("test accuracy, dense, %", lambda record: _percent(record, "dense", 2)),
            row("test accuracy, compressed, %", lambda record: _percent(record, "read_back", 2)),
            row("non-zero weights", _nonzeros),
            row("bytes, float32", lambda record: f"{record['mean']['bytes_float32']:,.0f}"),
            row(
                "bytes (times smaller), float32 + zstd-19",
                lambda record: _size(record, "float32_zstd19"),
            ),
            row(
                "bytes (times smaller), int8 + zstd-19",
                lambda record: _size(record, "int8_zstd19"),
            ),
            row("bytes (times smaller), `model.jxc`", lambda record: f"**{_size(record, 'jxc')}**"),
            row(
                "bits per parameter, `model.jxc`",
                lambda record: f"{record['mean']['bits_per_weight_jxc']:.3f}",
            ),
        ],
    )


def _sonnets() -> str:
    record = record_of("sonnets_transformer")

    smaller = _spread(_of_seeds(record, "ratio_jxc"), 1)
    sizes = {
        "dense": f"{record['mean']['bytes_float32']:,.0f}",
        "read_back": f"**{record['mean']['bytes_jxc']:,.0f}** ({smaller} times smaller)",
    }
    nonzeros = {"dense": f"{record['weights']:,}", "read_back": _nonzeros(record).split()[0]}
    return _table(
        (
            "network",
            "cross-entropy, bits per character",
            "accuracy, %",
            "non-zero weights",
            "bytes",
        ),
        [
            (
                _FORM_NAMES[form],
                _spread(_of_seeds(record, f"test_bits_{form}"), 2),
                _percent(record, form, 1),
                nonzeros.get(form, "-"),
                sizes.get(form, "-"),
            )
            for form in _FORMS
        ],
    )


def _cifar10() -> str:
    records = [record_of(name) for name in ("cifar10_vgg16", "cifar10_resnet20")]

    def error(record: dict[str, Any], form: str) -> str:
        accuracies = _of_seeds(record, f"test_accuracy_{form}")
        mean, high, low = (100 - 100 * accuracy for accuracy in accuracies)
        return f"{mean:.2f}" if len(record["seeds"]) == 1 else _spread((mean, low, high), 2)

    rows = [
        (f"test error, {_FORM_NAMES[form]}, %", *(error(record, form) for record in records))
        for form in _FORMS
    ]
    rows.append(("non-zero weights", *map(_nonzeros, records)))
    sizes = (f"{record['mean']['bytes_float32']:,.0f}" for record in records)
    rows.append(("bytes, float32", *sizes))
    rows.append(
        ("bytes (times smaller), `model.jxc`", *(f"**{_size(one, 'jxc')}**" for one in records))
    )
    rows.append(("seeds", *(str(len(record["seeds"])) for record in records)))
    return _table(("", "VGG-16", "ResNet-20"), rows)


def _codec() -> str:
    rows = []
    for name, one in record_of("codec")["sets"].items():
        whole = "file_bytes" if one["nncodec_file_bytes"] else "payload_bytes"
        theirs, ours = one[f"nncodec_{whole}"], one[whole]
        large = one["weights"] > 1e7  # of small sets the memory is that of the program
        rows.append(
            (
                name,
                f"{one['weights']:,}",
                f"{one['entropy_bytes']:,}",
                f"{theirs:,}",
                f"{ours:,}",
                f"{100 * (ours / theirs - 1):+.1f} %",
                "{:.1f}, {:.1f}".format(
                    *(one[f"{what}_million_per_second"] for what in ("encode", "decode"))
                ),
                f"{one['encode_memory']:.1f}, {one['decode_memory']:.1f}" if large else "-",
            )
        )
    headings = ("set", "weights", "entropy, bytes", "NNCodec", "`.jxc`", "")
    return _table((*headings, "write, read, million weights/s", "memory"), rows)


def _checkpoints() -> str:
    records = checkpoint_table.records_in(RESULTS)
    return _table(checkpoint_table.HEADINGS, checkpoint_table.rows(records))


def _checkpoint_forms() -> str:
    records = checkpoint_table.records_in(RESULTS)
    return _table(checkpoint_table.FORM_HEADINGS, checkpoint_table.form_rows(records))


def _recipe_networks() -> str:
    return _table(recipe_table.HEADINGS, recipe_table.rows(recipe_table.records_in(RESULTS)))


def _costs_of_updates() -> str:
    cpu, h200 = (
        {
            row["name"]: row
            for row in record_of(f"step_cost_{device}")["rows"]
            if (row["kind"], row["leaves"]) == ("update", 161)
        }
        for device in ("cpu", "h200")
    )
    rows = []
    for name, row in cpu.items():
        both = row["goal"], h200[name]["goal"]
        goals = "-" if None in both else "<= {:.2f}, <= {:.2f}".format(*both)
        rows.append((f"`{name}`", _ratio(row), _ratio(h200[name]), goals))
    return _table(("Adam with", "CPU", "H200", "goals"), rows)


def _costs_of_the_rest() -> str:
    names = {
        ("update", 1): "`{}`, update of one array",
        ("compile", 1000): "`{}`, compiling the update of 1,000 arrays",
        ("step", 8): "a whole training step, {}",
        ("step", 161): "a whole training step, {}",
    }
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for device in ("cpu", "h200"):
        for row in record_of(f"step_cost_{device}")["rows"]:
            kind, name = (row["kind"], row["leaves"]), row["name"]
            if kind in names and (kind[0] != "update" or name == "add_compressibility"):
                name = name.removeprefix("add_compressibility, ") if kind[0] == "step" else name
                found.setdefault(names[kind].format(name), {})[device] = row
    rows = []
    for name, of in found.items():
        cells = (_ratio(of[device]) if device in of else "-" for device in ("cpu", "h200"))
        goals = {f"<= {row['goal']:.2f}": None for row in of.values() if row["goal"]}
        rows.append((name, *cells, ", ".join(goals) or "-"))
    return _table(("", "CPU", "H200", "goals"), [*rows, *_costs_of_adam()])


def _costs_of_adam() -> list[tuple[str, ...]]:
    """Return the rows of Adam alone, and of the bytes that the penalty reads and writes."""
    bytes_, times = [], {161: [], 1: []}
    for record in map(record_of, ("step_cost_cpu", "step_cost_h200")):
        for row in record["rows"]:
            if (row["kind"], row["name"]) == ("update", "add_compressibility"):
                calls = row["baseline_milliseconds"]["median"]
                times[row["leaves"]].append(f"{calls / record['updates_in_a_call']:.2f} ms")
                if row["leaves"] == 161:
                    accessed = (row["bytes"][of]["accessed"] for of in ("variant", "baseline"))
                    bytes_.append(f"{next(accessed) / next(accessed):.2f}")
    return [
        (
            "bytes of the update with `add_compressibility`, over those of Adam alone",
            *bytes_,
            "-",
        ),
        ("update of Adam alone, 161 arrays", *times[161], "-"),
        ("update of Adam alone, one array", *times[1], "-"),
    ]


def _feeding() -> str:
    return _table(
        ("network", "steps", "examples/s", "time over that on one batch, or without"),
        [
            (row["network"], row["name"], f"{row['examples_per_second']:,.0f}", _ratio(row))
            for row in record_of("end_to_end_cpu")["rows"]
        ],
    )


TABLES: dict[str, Callable[[], str]] = {
    "digits-and-mnist": _lenet300,
    "checkpoints": _checkpoints,
    "checkpoint-forms": _checkpoint_forms,
    "codec": _codec,
    "costs-of-updates": _costs_of_updates,
    "costs-of-the-rest": _costs_of_the_rest,
    "costs-of-feeding": _feeding,
    "mnist-lenet300": lambda: _beside_published(
        "lenet_300_100", "mnist_lenet300", "mnist_lenet300_shifted"
    ),
    "mnist-lenet5": lambda: _beside_published(
        "lenet_5_caffe",
        "mnist_lenet5",
        "mnist_lenet5_shifted",
        "mnist_lenet5_smallest",
        "mnist_lenet5_tiny",
    ),
    "sonnets": _sonnets,
    "cifar10": _cifar10,
    "recipe-networks": _recipe_networks,
    "penalties": lambda: penalties_table(record_of("penalties_mnist")),
}


def _of_seeds(record: dict[str, Any], key: str) -> tuple[float, ...]:
    """Return the mean of a number over the seeds, its smallest and its largest value."""
    return tuple(record[part][key] for part in ("mean", "min", "max"))


def _spread(values: Sequence[float], digits: int) -> str:
    """Write a middle value, and in brackets the ends around it."""
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def _percent(record: dict[str, Any], form: str, digits: int) -> str:
    accuracies = _of_seeds(record, f"test_accuracy_{form}")
    return _spread([100 * accuracy for accuracy in accuracies], digits)


def _size(record: dict[str, Any], form: str) -> str:
    """Write the bytes of a form, and how many times smaller than float32 it is."""
    return f"{record['mean'][f'bytes_{form}']:,.0f} ({record['mean'][f'ratio_{form}']:.1f})"


def _nonzeros(record: dict[str, Any]) -> str:
    return f"{record['mean']['nonzero_weights']:,.0f} of {record['weights']:,}"


def _ratio(row: dict[str, Any]) -> str:
    """Write the median of a benchmark's ratios and its quartiles."""
    return _spread([row["ratio"][of] for of in ("median", "lower_quartile", "upper_quartile")], 2)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
