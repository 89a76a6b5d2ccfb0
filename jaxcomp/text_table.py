"""Formats tables as plain text."""

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], *, rule: bool = False, numbers: bool = False) -> str:
    """Return rows of cells as lines, with each column as wide as its widest cell.

    Args:
      rows: the heading, then the rows below it.
      rule: whether a line stands below each heading that is not empty.
      numbers: whether all columns but the first are set to the right.

    Example:
      >>> print(text_table([("layer", "bytes"), ("out", "77")], rule=True, numbers=True))
      layer  bytes
      -----  -----
      out       77
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if rule:
        line = ["-" * width if cell else "" for cell, width in zip(rows[0], widths, strict=True)]
        rows = [rows[0], line, *rows[1:]]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if numbers and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
