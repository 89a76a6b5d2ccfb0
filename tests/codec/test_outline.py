"""The check of a file in docs/howto/other_language.md knows files as FORMAT.md has them."""

import re
from pathlib import Path

import numpy as np
import pytest

import jaxcomp
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "howto" / "other_language.md").read_text()
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def outline(tmp_path, monkeypatch, capsys):
    """The function of the page, after its example."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    assert capsys.readouterr().out in PAGE
    return names["outline"]


def test_files_of_version_3_pass_and_damaged_ones_do_not(outline):
    for path in sorted(GOLDEN.glob("version3*.jxc")):
        data = path.read_bytes()
        found = outline(data)
        assert 5 + found["raw"] + found["coded"] < len(data) <= 5 + sum(found.values()) + 20
        for place in (5, len(data) // 2, len(data) - 1):
            damaged = bytearray(data)
            damaged[place] ^= 1
            with pytest.raises(ValueError, match="damaged"):
                outline(bytes(damaged))
    with pytest.raises(ValueError, match=r"no \.jxc file of version 3"):
        outline((GOLDEN / "version2.jxc").read_bytes())


def test_parts_of_large_arrays_are_counted(outline, tmp_path):
    w = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32)
    jaxcomp.save(tmp_path / "large.jxc", {"one": w, "same": w, "bias": np.zeros(3)})
    assert outline((tmp_path / "large.jxc").read_bytes())["parts"] > 1


def test_the_page_names_as_many_golden_files_as_there_are():
    assert len(list(GOLDEN.iterdir())) == 7
    assert "has seven small files" in PAGE
