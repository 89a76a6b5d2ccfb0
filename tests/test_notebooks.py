"""Notebooks are committed as they ran, install what they need, and fit into the documentation."""

import itertools
import json
import re

import pytest

from tests.helpers import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
INSTALL = """\
# Where jaxcomp is missing, as on Colab, this installs it.
import importlib.util

if importlib.util.find_spec("jaxcomp") is None:
    %pip install --quiet "jaxcomp[experiments]" equinox"""
MOST_BYTES = 400_000

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path, kind):
    cells = json.loads(path.read_text())["cells"]
    return [(cell, "".join(cell["source"])) for cell in cells if cell["cell_type"] == kind]


def test_the_first_code_installs_the_package_or_names_the_repository(path):
    (_, first), *others = cells_of(path, "code")
    assert first.startswith(INSTALL)
    needs_repository = any(re.search(r"\bexperiments[./]", source) for _, source in others)
    assert needs_repository == ("`git clone`" in first)
    assert needs_repository or first == INSTALL


def test_it_was_run_from_top_to_bottom_without_errors(path):
    code = [cell for cell, _ in cells_of(path, "code")]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data"}
    for output in outputs:
        assert output.get("name") != "stderr"
        texts = [output.get("text", ""), *output.get("data", {}).values()]
        shown = "".join("".join(text) for text in texts if not isinstance(text, str))
        assert not re.search(r"(?<![\w.])/(home|root|tmp|usr|var|Users)/", shown)
    assert path.stat().st_size < MOST_BYTES


def test_it_has_one_title_no_skipped_heading_and_links_that_resolve(path):
    text = "\n".join(source for _, source in cells_of(path, "markdown"))
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(levels))
    # `docs/notebooks` is a link to this folder: only neighbors are found from both.
    for link in re.findall(r"\]\(([^)]*)\)", text):
        assert link.startswith("https://") or (FOLDER / link) in NOTEBOOKS
