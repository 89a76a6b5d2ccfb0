"""What a method makes of a network is a file of a size, and parameters that are in it."""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.benchmarks import data_free, nncodec_peer, plain, qwix_peer
from experiments.benchmarks.coded import smallest_within
from jaxcomp.codec.levels import FewValued
from jaxcomp.models import LeNet300100
from jaxcomp.trees import named_leaves
from tests.helpers import small_params


def params():
    return {
        layer: {name: np.asarray(w) for name, w in arrays.items()}
        for layer, arrays in small_params().items()
    }


def test_the_smallest_file_that_is_good_enough():
    sizes = [(100, 1.0), (50, 1.4), (20, 1.6), (60, 1.2)]
    assert smallest_within(sizes, 1.5) == 50
    assert smallest_within(sizes, 0.9) is None


def test_data_free_settings_are_judged_without_a_file_as_with_one():
    settings = [{"bits": 8, "lambda": 0.0}, {"bits": 4, "lambda": 0.3}]
    files = list(data_free.coded(params(), settings))
    for setting, file in zip(settings, files, strict=True):
        rounded = data_free.rounded(params(), setting)
        assert file.setting == setting
        assert 0 < rounded.entropy_bytes < file.file_bytes
        for layer in params():
            kernel = file.params[layer]["kernel"]
            np.testing.assert_array_equal(rounded.params[layer]["kernel"], kernel)
            bias = params()[layer]["bias"]
            np.testing.assert_allclose(file.params[layer]["bias"], bias, atol=abs(bias).max() / 100)
    assert files[1].file_bytes < files[0].file_bytes


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
    with pytest.raises(FileNotFoundError, match=r"python -m experiments\.benchmarks\.nncodec_peer"):
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
