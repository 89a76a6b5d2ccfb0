"""What a method makes of a network is a file of a size, and parameters that are in it."""

import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcomp
from experiments.benchmarks import data_free, nncodec_peer, plain, qwix_peer
from experiments.benchmarks.subject import Subject
from jaxcomp.codec.levels import FewValued
from jaxcomp.compression import compress
from jaxcomp.compression.arrays import Arrays, in_memory, values_of
from jaxcomp.models import LeNet300100, Transformer
from jaxcomp.quantize.scalar import bits_levels, codebook_levels, step_levels
from jaxcomp.trees import named_leaves
from tests.helpers import small_params


def params():
    return {
        layer: {name: np.asarray(w) for name, w in arrays.items()}
        for layer, arrays in small_params().items()
    }


def subject(quality, losses=(0.1, 0.5, 1.0)):
    return Subject("one", params(), None, None, quality, "things", losses)


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ({"bits": 4, "lambda": 0.3}, {"quantizer": partial(bits_levels, bits=4), "trade": 0.3}),
        (
            {"bits": 5, "per_unit": True, "lambda": 0.0},
            {"quantizer": partial(bits_levels, bits=5), "per_unit": True},
        ),
        ({"step": 0.1, "lambda": 0.0}, {"quantizer": partial(step_levels, step=0.1)}),
        ({"codebook": 7, "lambda": 0.0}, {"quantizer": partial(codebook_levels, levels=7)}),
    ],
)
def test_data_free_settings_do_what_the_command_does(tmp_path, setting, options):
    bias_quantizer = partial(bits_levels, bits=8)
    compress(params(), tmp_path / "a.jxc", bias_quantizer=bias_quantizer, **options)
    written = named_leaves(jaxcomp.load(tmp_path / "a.jxc"))
    stored = data_free.rounded(Arrays(in_memory(params()), None, None, False), setting)
    assert stored.keys() == written.keys()
    for name, one in stored.items():
        np.testing.assert_array_equal(values_of(one), written[name])


def test_data_free_settings_are_looked_at_from_fine_to_coarse_until_too_much_is_lost():
    def quality(tried, split):
        assert split == "validation"
        return 10 * abs(tried["Dense_0"]["kernel"] - params()["Dense_0"]["kernel"]).max()

    rows = [[{"step": step, "lambda": 0.0} for step in (0.01, 0.1, 0.2, 0.4, 0.8)]]
    found = list(data_free.judged(subject(quality), rows))
    assert [one.setting["step"] for one in found] == [0.01, 0.1, 0.2, 0.4]
    assert [one.lost <= 1.5 for one in found] == [True, True, True, False]
    sizes = [one.entropy_bytes for one in found]
    assert sizes == sorted(sizes, reverse=True)


def test_data_free_files_are_of_the_lowest_entropies_that_lose_little_enough():
    each = [("a", 0.0, 90), ("b", 0.4, 50), ("c", 0.3, 60), ("d", 0.9, 20), ("e", 0.1, 70)]
    found = [data_free.Judged({"bits": name}, lost, size) for name, lost, size in each]
    names = [one["bits"] for one in data_free.promising(found, (0.1, 0.5, 1.0))]
    assert names == ["e", "a", "b", "c", "d"]
    assert data_free.promising(found, (-0.1,)) == []


def test_data_free_rows_have_one_step_for_all_arrays_too(monkeypatch):
    rows = list(data_free.rows_of_settings({"a": np.array([0.5, -2.0])}))
    steps = [row for row in rows if "step" in row[0]]
    assert {row[0]["lambda"] for row in steps} >= {0.0, 0.1, 1.0}
    for row in steps:
        each = np.array([one["step"] for one in row])
        np.testing.assert_allclose(each[1:] / each[:-1], 2**0.25, rtol=0.01)
        assert each[-1] == 1.0
    few = [rows[0][:2], steps[0][-2:]]
    monkeypatch.setattr(data_free, "rows_of_settings", lambda params: few)
    files = list(data_free.coded(subject(lambda tried, split: 0.0)))
    assert [file.setting for file in files] == [steps[0][-1], steps[0][-2], rows[0][1]]
    assert files[0].file_bytes < files[2].file_bytes


@pytest.mark.parametrize("shape", [(3, 4), (5, 5, 3, 4)])
def test_kernels_are_given_with_outputs_first(shape):
    w = np.random.default_rng(0).normal(size=shape)
    turned = nncodec_peer._turned("Dense_0/kernel", w)
    assert turned.shape == (4, 3, *shape[:-2])
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned[1, 2], w[..., 2, 1])
    np.testing.assert_array_equal(nncodec_peer._turned("Dense_0/kernel", turned, back=True), w)
    assert nncodec_peer._turned("enc_w_ih", w) is w


def test_without_its_environment_there_is_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCOMP_CACHE_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"python -m experiments\.benchmarks\.peer"):
        nncodec_peer.coded(params())


# Writes back what it is given, one byte a setting; says that a setting failed, or dies of it.
SCRIPT = """
import json, os, shutil, sys
source, settings, folder = sys.argv[1:]
for number, setting in enumerate(json.load(open(settings))):
    row = f"{folder}/{number}.json"
    if os.path.exists(row):
        continue
    if setting["qp"] == "dies":
        sys.exit("out of order")
    shutil.copy(source, f"{folder}/{number}.npz")
    found = {"failed": "refused"} if setting["qp"] == "fails" else {"bytes": number + 1}
    json.dump(found, open(row, "w"))
"""


@pytest.mark.slow
def test_settings_that_fail_say_how(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(nncodec_peer, "_SCRIPT", script)
    settings = [{"qp": qp} for qp in (-30, "dies", "fails", -20)]
    files = list(nncodec_peer._coded(Path(sys.executable), params(), settings))
    assert [file.file_bytes for file in files] == [1, None, None, 4]
    assert files[1].failed == "the process ended with 1: out of order"
    assert files[2].failed == "refused"
    for name, w in named_leaves(params()).items():
        np.testing.assert_array_equal(named_leaves(files[3].params)[name], w)


@pytest.mark.slow
def test_nncodec_decodes_to_about_what_it_is_given():
    settings = [one for one in nncodec_peer.SETTINGS if one["qp"] in (-32, -10)][:2]
    try:
        files = list(nncodec_peer.coded(params(), settings))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert [file.failed for file in files] == [None, None]
    assert files[1].file_bytes < files[0].file_bytes
    for name, w in named_leaves(params()).items():
        np.testing.assert_allclose(named_leaves(files[0].params)[name], w, atol=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Flax, in Qwix
def test_levels_of_qwix_are_within_a_step_and_smaller_files_are_coarser():
    pytest.importorskip("qwix")
    model = LeNet300100(widths=(8,))
    x = np.random.default_rng(0).normal(size=(64, 4, 4, 1)).astype(np.float32)
    own = jax.tree.map(np.asarray, model.init(jax.random.key(0), x[:1])["params"])
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        files = list(qwix_peer.coded(model, own, [(x,)]))
    assert [file.failed for file in files] == [None] * 4
    for stored in (files[::2], files[1::2]):  # as `.jxc`, and through zstd
        assert stored[1].file_bytes < stored[0].file_bytes
    for file, share in zip(files, (0.05, 0.05, 0.5, 0.5), strict=True):
        w, found = own["Dense_0"]["kernel"], file.params["Dense_0"]["kernel"]
        assert 0 < np.linalg.norm(found - w) < share * np.linalg.norm(w)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Flax, in Qwix
def test_a_tied_embedding_is_rounded_as_the_network_has_it():
    """Qwix gives it back in the shape of its transpose, with the entries in another order."""
    pytest.importorskip("qwix")
    model = Transformer(classes=7, width=8, depth=1, heads=2)
    tokens = np.random.default_rng(0).integers(0, 7, (16, 4))
    own = jax.tree.map(np.asarray, model.init(jax.random.key(0), tokens[:1])["params"])
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        files = list(qwix_peer.coded(model, own, [(tokens,)]))
    for file, share in zip(files, (0.02, 0.02, 0.3, 0.3), strict=True):
        assert file.failed is None
        for name, w in named_leaves(own).items():
            assert np.linalg.norm(named_leaves(file.params)[name] - w) < share * np.linalg.norm(w)


def test_two_levels_of_4_bits_are_in_a_byte():
    levels, steps = np.array([[-8, 7], [3, -1], [0, 5]], np.int8), np.ones((1, 2), np.float32)
    arrays = {("w",): FewValued(levels, steps), ("b",): np.ones(2, np.float32)}
    [packed, *others] = qwix_peer._parts(arrays, "int4")
    nibbles = [half for byte in packed for half in (byte >> 4, byte & 15)]
    assert [half - 16 if half > 7 else half for half in nibbles] == levels.ravel().tolist()
    assert others == [steps.tobytes(), np.ones(2, np.float32).tobytes()]
    assert next(qwix_peer._parts(arrays, "int8")) == levels.tobytes()


def test_what_takes_no_choice():
    files = {file.setting["stored"]: file for file in plain.coded(params())}
    for name, w in named_leaves(params()).items():
        for stored in ("float32_zstd19", "lossless_jxc"):
            np.testing.assert_array_equal(named_leaves(files[stored].params)[name], w)
        off = abs(named_leaves(files["int8_zstd19"].params)[name] - w)
        most = 0.51 * abs(w).max() / 127 if name.endswith("kernel") else 0  # half a step
        assert off.max() <= most
        assert (off > 0).any() == name.endswith("kernel")
    assert files["int8_zstd19"].file_bytes < files["float32_zstd19"].file_bytes


def test_what_qwix_cannot_do_is_a_row_that_says_how(monkeypatch):
    monkeypatch.setattr(qwix_peer.importlib.util, "find_spec", lambda name: True)
    [row] = qwix_peer.coded(None, params(), [], [{"levels": "int3"}])
    assert row.file_bytes is None
    assert "Error" in row.failed
