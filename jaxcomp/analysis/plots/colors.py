"""Lists the colors of all figures.

The colors are those of Okabe and Ito, which color-blind readers can tell apart. Figures also differ
lines in style and bars in lightness, so that they survive in gray.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import TypeVar

Style = TypeVar("Style")
Color = TypeVar("Color")
Look = TypeVar("Look")

BLUE, ORANGE, GREEN, VERMILLION, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#000000"


def in_turn(colors: Sequence[Color], looks: Sequence[Look]) -> list[tuple[Color, Look]]:
    """Return all pairs of a color and a look, such that neighbors differ in both.

    The numbers of colors and of looks must have no common divisor.

    Example:
      >>> in_turn("ab", "xyz")
      [('a', 'x'), ('b', 'y'), ('a', 'z'), ('b', 'x'), ('a', 'y'), ('b', 'z')]
    """
    pairs = range(len(colors) * len(looks))
    return [(colors[i % len(colors)], looks[i % len(looks)]) for i in pairs]


def styles_of(
    names: Iterable[str], known: Mapping[str, Style], others: Sequence[Style]
) -> dict[str, Style]:
    """Return a style for each name: its own, or in turn one of the others that is not taken."""
    free = cycle([style for style in others if style not in known.values()])
    return {name: known[name] if name in known else next(free) for name in names}
