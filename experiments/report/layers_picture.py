"""The picture of the layers of the code.

python -m experiments.report.layers_picture [FILE.png]

It draws the layers that `setup.cfg` has for `experiments` and for `jaxcomp` into
`docs/contributing/layers.png`. The file also holds them as text, by which a test sees whether it is
up to date.
"""

import configparser
import importlib.util
import json
import sys
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from experiments.report.plots.files import save
from experiments.report.records import ROOT
from jaxcomp.analysis.plots.colors import BLACK

PICTURE = ROOT / "docs" / "contributing" / "layers.png"
CONTRACTS = ("rooms", "layers")  # of the experiments and of the library
_FILL = "0.92"  # of every other layer: a light gray
_RULES = """Arrows: who may import whom.
A layer imports only what is below it.
Modules of one layer do not
import each other.
A name with / is a folder."""


class House(NamedTuple):
    """Holds the layers of a package, the highest one first, each of one module or several."""

    package: str
    layers: tuple[tuple[str, ...], ...]


def main() -> None:
    """The command."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    houses = [house_of(contract) for contract in CONTRACTS]
    save(layers_figure(houses), path, Layers=as_text(houses))


def house_of(contract: str) -> House:
    """Return what a contract of import-linter in `setup.cfg` says."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    section = config[f"importlinter:contract:{contract}"]
    lines = section["layers"].split("\n")
    layers = [tuple(name.strip() for name in line.split("|")) for line in lines if line.strip()]
    return House(section["containers"].strip(), tuple(layers))


def as_text(houses: list[House]) -> str:
    """Return the layers as the file holds them."""
    return json.dumps({house.package: house.layers for house in houses})


def layers_figure(houses: list[House]) -> Figure:
    """Draw packages beside each other; each may import those on its right."""
    most = max(len(house.layers) for house in houses)
    widths = [max(map(len, house.layers)) for house in houses]
    figure = Figure(figsize=(10, 0.34 * most + 0.7), layout="constrained")
    panels = figure.subplots(1, len(houses), width_ratios=[width + 1 for width in widths])
    for axes, house in zip(panels, houses, strict=True):
        _draw_house(axes, house)
        axes.set(xlim=(-0.08, 1.02), ylim=(-most, 0))
        axes.set_axis_off()
    panels[0].text(0, 0.6 - most, _RULES, va="bottom", linespacing=1.5)
    for axes in panels[1:]:
        _arrow(axes, (-0.2, -0.5), (-0.07, -0.5))
    return figure


def _draw_house(axes: Axes, house: House) -> None:
    axes.set_title(house.package, weight="bold")
    for number, layer in enumerate(house.layers):
        width = 1 / len(layer)
        for place, name in enumerate(layer):
            corner, middle = (place * width, -number - 0.9), ((place + 0.5) * width, -number - 0.5)
            look = {"facecolor": _FILL if number % 2 else "white", "edgecolor": BLACK}
            axes.add_patch(Rectangle(corner, width, 0.8, **look))
            axes.text(*middle, _shown(house.package, name), ha="center", va="center")
    _arrow(axes, (-0.05, -0.1), (-0.05, 0.1 - len(house.layers)))


def _shown(package: str, name: str) -> str:
    spec = importlib.util.find_spec(f"{package}.{name}")
    return f"{name}/" if spec and spec.submodule_search_locations else name


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "mutation_scale": 16, "linewidth": 1.6, "color": BLACK}
    axes.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, clip_on=False, **look))


if __name__ == "__main__":
    main()
