"""Files of JSON that every reader accepts, and damaged ones that are named."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp import strict_json
from jaxcomp.strict_json import DamagedFileError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def strictly(text):
    """What a reader makes of it that knows no `NaN` and `Infinity`."""

    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def same(back, value):
    if isinstance(value, float) and not math.isfinite(value):
        return back is None
    if isinstance(value, list):
        return len(back) == len(value) and all(map(same, back, value))
    if isinstance(value, dict):
        return back.keys() == value.keys() and all(same(back[key], value[key]) for key in value)
    return back == value and type(back) is type(value)


@given(VALUES)
def test_what_is_written_is_json_and_finite_values_come_back(value):
    assert same(strictly(strict_json.dumps(value)), value)


def test_numbers_that_are_not_finite_are_null_at_any_depth():
    value = {"a": [math.nan, (math.inf, {"b": -math.inf})], "c": np.float64("nan"), "d": 1.5}
    back = strictly(strict_json.dumps(value, indent=1))
    assert back == {"a": [None, [None, {"b": None}]], "c": None, "d": 1.5}
    again = strict_json.with_nan(back)
    assert math.isnan(again["c"])
    assert math.isnan(again["a"][1][1]["b"])
    assert again["d"] == 1.5


def test_a_file_that_was_cut_off_anywhere_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "record.json"
    strict_json.write(path, {"one": [1, {"two": "é"}], "three": None})
    whole = path.read_bytes().rstrip()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedFileError, match=r"record\.json is damaged.*: bake it anew$"):
            strict_json.read(path, "bake it anew")
    path.write_bytes(whole)
    assert strict_json.read(path, "") == {"one": [1, {"two": "é"}], "three": None}


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"\0" * 100, b"[" * 100_000])
def test_other_damage_is_named_too(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"record\.json is damaged"):
        strict_json.read(path, "bake it anew")


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "record.json"
    strict_json.write(path, [1])
    with pytest.raises(TypeError):
        strict_json.write(path, [object()])
    assert strict_json.read(path, "") == [1]
    assert [one.name for one in tmp_path.iterdir()] == ["record.json"]
