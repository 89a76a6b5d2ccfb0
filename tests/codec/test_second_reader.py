"""The reader in JavaScript, written from FORMAT.md alone, reads what the library writes."""

import json
import shutil
import subprocess

import ml_dtypes
import numpy as np
import pytest

from jaxcomp import codec
from jaxcomp.codec import dtypes, stream
from jaxcomp.codec import many_valued as ways
from tests.codec.test_golden import GOLDEN, few_valued, many_valued, tree
from tests.helpers import ROOT

READER = ROOT / "docs" / "reader" / "jxc.mjs"
NODE = shutil.which("node")
# Values as text, since JSON has neither NaN nor integers of 64 bits.
SCRIPT = """
import { readFileSync } from "node:fs";
const { read } = await import(process.argv[1]);
const arrays = read(new Uint8Array(readFileSync(process.argv[2])));
const text = (value) => (Object.is(value, -0) ? "-0" : `${value}`);
console.log(JSON.stringify(arrays.map(({ names, dtype, shape, values }) =>
  ({ name: names.join("/"), dtype, shape, values: Array.from(values, text) }))));
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="the reader is in JavaScript, and there is no node"),
]


def read_by_node(path):
    command = [NODE, "--input-type=module", "-e", SCRIPT, str(READER), str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def assert_the_same(path):
    done = read_by_node(path)
    assert done.returncode == 0, done.stderr
    expected = [("/".join(map(str, names)), array) for names, array in codec.arrays(path)]
    found = json.loads(done.stdout)
    assert [one["name"] for one in found] == [name for name, _ in expected]
    for one, (name, array) in zip(found, expected, strict=True):
        assert (one["dtype"], tuple(one["shape"])) == (array.dtype.name, array.shape)
        if dtypes.is_integer(array.dtype) or array.dtype == np.bool_:
            assert [*map(int, one["values"])] == array.astype(object).reshape(-1).tolist(), name
            continue
        wide = np.dtype(np.float64 if array.dtype == np.float64 else np.float32)
        values = np.array([*map(float, one["values"])]).astype(wide)
        wanted = array.astype(wide).reshape(-1)
        np.testing.assert_array_equal(values, wanted, err_msg=name)
        signed = ~np.isnan(wanted)  # as text NaNs have no sign
        np.testing.assert_array_equal(np.signbit(values)[signed], np.signbit(wanted)[signed])


def test_a_golden_file():
    assert_the_same(GOLDEN / "version3_levels.jxc")


@pytest.mark.parametrize("arrays", [tree, many_valued])
def test_every_kind_but_lzma(tmp_path, monkeypatch, arrays):
    monkeypatch.setattr(ways, "can_pack", lambda: False)
    codec.save(tmp_path / "model.jxc", arrays())
    assert_the_same(tmp_path / "model.jxc")


def test_every_type_parts_and_tied_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_APART", 2**9)
    monkeypatch.setattr(stream, "_PART", 2**13)
    rng = np.random.default_rng(0)
    params = {
        "large": rng.normal(size=(80, 90)).astype(np.float32),
        "empty": {},
        "none": np.ones((0, 3)),
    }
    params |= {"tied": params["large"].copy(), "levels": rng.integers(-7, 8, 9_000).astype(np.int8)}
    for name in dtypes.NAMES:
        dtype = np.dtype(getattr(ml_dtypes, name, name))
        if dtypes.is_integer(dtype) or name == "bool":
            params[name] = rng.integers(0, 2, 30).astype(dtype)
        elif dtype.itemsize == 1:
            params[name] = np.arange(16 if "float4" in name else 256, dtype=np.uint8).view(dtype)
        else:
            params[name] = rng.normal(size=40).astype(dtype)
    codec.save(tmp_path / "all.jxc", params)
    assert_the_same(tmp_path / "all.jxc")


def test_levels_with_steps(tmp_path):
    codec.write(tmp_path / "levels.jxc", few_valued())
    assert_the_same(tmp_path / "levels.jxc")


def test_what_it_does_not_read_is_named(tmp_path):
    for path, message in (
        (GOLDEN / "version2.jxc", "version 2 of .jxc is not supported"),
        (GOLDEN / "version3_many.jxc", "array repeated is packed by LZMA"),
    ):
        done = read_by_node(path)
        assert done.returncode == 1
        assert message in done.stderr
    data = bytearray((GOLDEN / "version3.jxc").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.jxc").write_bytes(data)
    assert "the checksum of the file is wrong" in read_by_node(tmp_path / "damaged.jxc").stderr
