"""The picture of the layers shows those of setup.cfg."""

import configparser
import json
import sys

from PIL import Image

from experiments.report import layers_picture
from experiments.report.layers_picture import CONTRACTS, PICTURE, house_of, layers_figure
from tests.helpers import ROOT


def told():
    """The layers of each package, by the text of setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    contracts = [config[f"importlinter:contract:{name}"] for name in CONTRACTS]
    return {
        contract["containers"].strip(): [
            line.split(" | ") for line in contract["layers"].strip().splitlines()
        ]
        for contract in contracts
    }


def held(path):
    """The layers that a picture holds as text."""
    with Image.open(path) as picture:
        return json.loads(picture.info["Layers"])


def test_the_layers_drawn_are_those_of_setup_cfg():
    figure = layers_figure([house_of(contract) for contract in CONTRACTS])
    drawn = {}
    for axes in figure.axes:
        rows = {}
        for text in axes.texts:
            x, y = text.get_position()
            if text.get_ha() == "center":
                rows.setdefault(y, []).append((x, text.get_text().removesuffix("/")))
        layers = [[name for _, name in sorted(rows[y])] for y in sorted(rows, reverse=True)]
        drawn[axes.get_title()] = layers
    assert drawn == told()
    assert drawn["jaxcomp"][0] == ["cli"]


def test_the_picture_of_the_page_is_up_to_date():
    """If not: `python -m experiments.report.layers_picture`."""
    assert held(PICTURE) == told()


def test_the_command_writes_a_picture(monkeypatch, tmp_path):
    path = tmp_path / "layers.png"
    monkeypatch.setattr(sys, "argv", ["layers_picture", str(path)])
    layers_picture.main()
    assert held(path) == told()
