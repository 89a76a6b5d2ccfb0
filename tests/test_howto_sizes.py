"""docs/howto/below_n_bytes.md: both ways end below the bytes that are asked for."""

import re

import jax
import pytest

import jaxcomp
from jaxcomp.quantize.scalar import bits_levels
from jaxcomp.recipe import to_size
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "howto" / "below_n_bytes.md").read_text()
# `py` marks the part that takes a minute.
BLOCKS = re.findall(r"```(?:python|py)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_files_of_at_most_500_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Of what is tried, a part: each of them is compiled.
    monkeypatch.setattr(to_size, "_STRENGTHS", to_size._STRENGTHS[-1:])
    monkeypatch.setattr(to_size, "_VALUES", to_size._VALUES[1:3])
    names: dict = {}
    with jax.numpy_rank_promotion("allow"):  # as users have it
        for block in BLOCKS:
            exec(block, names)
        params, right = names["params"], names["right"]
        accuracies = [right(jaxcomp.load(f"{name}.jxc")) for name in ("small", "trained")]
    assert 4 * sum(w.size for w in jax.tree.leaves(params)) == 30_040
    sizes = [(tmp_path / f"{name}.jxc").stat().st_size for name in ("small", "trained")]
    assert sizes == [names["done"].file_bytes, names["size"]]
    assert all(400 < size <= 500 for size in sizes)
    assert min(accuracies) > 80


def test_biases_of_fewer_bits_take_fewer_bytes(tmp_path):
    bias = jax.random.normal(jax.random.key(0), (300,))

    def size(bits):
        options = {"bias_quantizer": lambda w: bits_levels(w, bits)}
        return jaxcomp.compress({"bias": bias}, tmp_path / "bias.jxc", **options).file_bytes

    assert size(4) < 0.6 * size(8)
