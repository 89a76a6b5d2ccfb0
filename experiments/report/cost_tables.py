"""The tables of what the penalty costs, from the records of the benchmarks."""

from typing import Any

from experiments.report import markdown
from experiments.report.records import record_of


def updates() -> str:
    """Return that of updates of 161 arrays."""
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
        rows.append((f"`{name}`", markdown.quartiles(row), markdown.quartiles(h200[name]), goals))
    return markdown.table(("Adam with", "CPU", "H200", "goals"), rows)


def the_rest() -> str:
    """Return that of one array, of compiling, and of whole steps."""
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
        cells = (
            markdown.quartiles(of[device]) if device in of else "-" for device in ("cpu", "h200")
        )
        goals = {f"<= {row['goal']:.2f}": None for row in of.values() if row["goal"]}
        rows.append((name, *cells, ", ".join(goals) or "-"))
    return markdown.table(("", "CPU", "H200", "goals"), [*rows, *_costs_of_adam()])


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


def feeding() -> str:
    """Return that of training with all that feeds it."""
    return markdown.table(
        ("network", "steps", "examples/s", "time over that on one batch, or without"),
        [
            (
                row["network"],
                row["name"],
                f"{row['examples_per_second']:,.0f}",
                markdown.quartiles(row),
            )
            for row in record_of("end_to_end_cpu")["rows"]
        ],
    )


def products() -> str:
    """Return that of products with pruned matrices: time over that of a dense one."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in _rows_of_products("time"):
        name = *_matrix(row), str(row["batch"])
        found.setdefault(name, {})[row["form"]] = markdown.quartiles(row)
    forms = list(next(iter(found.values())))
    rows = [(*name, *(times[form] for form in forms)) for name, times in found.items()]
    return markdown.table(("matrix", "not zero", "batch", *forms), rows)


def products_bytes() -> str:
    """Return that of the bytes of such matrices, in memory and in files."""
    dense, ternary, int8 = "dense, float32", "ternary, float32", "int8 x int8"
    rows = []
    for row in _rows_of_products("bytes"):
        memory, files = row["memory_bytes"], row["file_bytes"]
        sparse = memory["BCOO of JAX"], memory["CSR of SciPy"]
        sizes = memory[dense], memory[int8], *sparse, files[dense], files[ternary]
        rows.append((*_matrix(row), *(f"{size:,}" for size in sizes)))
    headings = ("float32", "int8", "BCOO", "CSR, BCSR", "`.jxc`, dense", "`.jxc`, ternary")
    return markdown.table(("matrix", "not zero", *headings), rows)


def _rows_of_products(kind: str) -> list[dict[str, Any]]:
    return [row for row in record_of("products_cpu")["rows"] if row["kind"] == kind]


def _matrix(row: dict[str, Any]) -> tuple[str, str]:
    """Return the shape of a row's matrix, and the share of its weights that are not zero."""
    return f"{row['inputs']:,} x {row['outputs']:,}", f"{100 * row['density']:g} %"
