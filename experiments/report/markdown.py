"""Tables in Markdown, and numbers as they stand in them."""

from collections.abc import Iterable, Sequence
from typing import Any

from jaxcomp.printable import table_cell


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: Sequence[int] = (0,)
) -> str:
    """Return a table; all columns but those of text are numbers, and stand at the right."""
    kinds = ["---" if i in text_columns else "---:" for i in range(len(headings))]
    return "\n".join(map(row, [headings, kinds, *rows]))


def row(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(table_cell, cells))} |"


def spread(values: Sequence[float], digits: int) -> str:
    """Return a middle value, and in brackets the ends around it."""
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def quartiles(row: dict[str, Any]) -> str:
    """Return the median of a benchmark's ratios and its quartiles."""
    return spread([row["ratio"][of] for of in ("median", "lower_quartile", "upper_quartile")], 2)
