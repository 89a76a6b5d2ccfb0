"""Figures become files."""

from matplotlib.figure import Figure
from PIL import Image

from experiments.report.plots.files import DPI, save


def test_a_figure_is_a_picture_with_text_beside_it(tmp_path):
    save(Figure(figsize=(2, 1)), tmp_path / "one.png", Layers="a over b")
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (2 * DPI, DPI)
        assert picture.info["Layers"] == "a over b"
        assert "Software" not in picture.info


def test_the_suffix_is_the_format_and_png_without_one(tmp_path):
    for name, begin in (("one.svg", b"<?xml"), ("two.pdf", b"%PDF"), ("three", b"\x89PNG")):
        save(Figure(figsize=(2, 1)), tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)
