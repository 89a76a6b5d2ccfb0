"""The picture of the codec shows what the codec does."""

import sys

import numpy as np
import pytest

from experiments.report import codec_picture
from jaxcomp.codec.adaptive import Settings, code_adaptive
from jaxcomp.codec.coder import Decoder


@pytest.fixture(scope="module")
def made():
    with np.load(codec_picture._SET) as archive:
        return codec_picture.coded(archive[codec_picture._ARRAY])


def test_the_bytes_are_those_of_the_levels(made):
    bounds = int(made.levels.min()), int(made.levels.max())
    settings = Settings(made.period, densities=True)
    read = code_adaptive(Decoder(made.code), made.levels.shape, bounds, settings, {}, None)
    np.testing.assert_array_equal(read, made.levels)


def test_each_level_has_the_probability_that_it_was_coded_with(made):
    weights = made.levels != 0
    dead = ~weights.any(axis=1)[:, None] | ~weights.any(axis=0)
    assert (made.likely[dead] == 0).all()
    alive = ~dead
    bits = -np.log2(np.where(weights, made.likely, 1 - made.likely)[alive]).sum()
    share = weights[alive].mean()
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    assert 0.8 * entropy * alive.sum() < bits < entropy * alive.sum()
    assert bits / 8 < len(made.code)


def test_the_block_ends_with_a_weight_whose_context_is_in_the_block(made):
    block = codec_picture.block_of(made)
    last = block.row + block.rows - 1
    assert made.levels[last, block.columns[block.mark]] != 0
    assert max(made.lags) < block.rows
    assert made.levels[:, block.columns].any(axis=0).all()


def test_the_command_writes_a_picture(monkeypatch, tmp_path):
    path = tmp_path / "codec.png"
    monkeypatch.setattr(sys, "argv", ["codec_picture", str(path)])
    codec_picture.main()
    assert path.read_bytes().startswith(b"\x89PNG")


def test_levels_that_are_coded_in_another_way_are_an_error():
    noise = np.random.default_rng(0).integers(-100, 100, (20, 30))
    with pytest.raises(ValueError, match="not coded row by row"):
        codec_picture.coded(noise)
