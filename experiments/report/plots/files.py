"""Figures as files."""

from pathlib import Path

from matplotlib.figure import Figure

from jaxcomp.files import replacing

DPI = 150  # at half of the size on the screen, text of 10 points is still read


def save(figure: Figure, path: Path, **metadata: str) -> None:
    """Write a figure, whole or not at all, in the format that the suffix of the path names.

    Args:
      figure: what to write.
      path: where; without a suffix it is a PNG.
      metadata: text by keyword, which a PNG holds beside the picture.
    """
    kind = path.suffix[1:] or "png"
    # Without the version of matplotlib, the same figure is the same file.
    beside = {"Software": None, **metadata} if kind == "png" else metadata
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=DPI, metadata=beside)
