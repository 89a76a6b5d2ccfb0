"""The documentation is whole: it builds without a warning, and has every public name."""

import importlib
import re
import subprocess
import sys

import pytest
from sphinx.util.inventory import InventoryFile

import jaxcomp
from tests.helpers import ROOT

REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the pages in a folder, with warnings as errors; links inside are checked by that."""
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", ROOT / "docs", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def public_names():
    """Return the names in `__all__` of the package and of its parts, as a user writes them."""
    names = [f"jaxcomp.{name}" for name in jaxcomp.__all__ if name != "analysis"]  # has no names
    for part in jaxcomp._SUBPACKAGES:
        module = importlib.import_module(f"jaxcomp.{part}")
        names += [f"jaxcomp.{part}.{name}" for name in getattr(module, "__all__", ())]
    return names


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(built):
    inventory = InventoryFile.loads((built / "objects.inv").read_bytes(), uri="")
    described = {name for kind in inventory.data.values() for name in kind}
    # What has a home elsewhere is described there, and named here.
    page = (REFERENCE / "jaxcomp.md").read_text()
    missing = [name for name in public_names() if name not in described and f"`{name}`" not in page]
    assert len(described) > 250
    assert not missing


def test_every_part_of_the_package_has_a_page():
    pages = "".join(path.read_text() for path in REFERENCE.glob("*.md"))
    documented = set(re.findall(r"automodule:: (\S+)", pages))
    assert {f"jaxcomp.{part}" for part in jaxcomp._SUBPACKAGES} - {"jaxcomp.analysis"} <= documented
    assert "jaxcomp.analysis.verify" in documented


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160


def test_the_version_stands_in_one_place():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (\S+)$", citation, re.MULTILINE)[1] == jaxcomp.__version__
    assert f"\n## {jaxcomp.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
