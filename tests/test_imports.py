"""Modules import, and only from the layers below them."""

import ast
import configparser
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import experiments
import jaxcomp
from tests.helpers import ROOT

MODULES = [
    module.name
    for package in (jaxcomp, experiments)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if module.name != "experiments.main"  # defines flags, once in a process; its tests run it
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_says_what_it_is(name):
    assert importlib.import_module(name).__doc__


def test_every_public_name_is_there():
    for name in jaxcomp.__all__:
        assert getattr(jaxcomp, name) is not None
    assert set(jaxcomp.__all__) <= set(dir(jaxcomp))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        jaxcomp.lod  # noqa: B018


def test_type_checkers_see_every_public_name():
    """They do not run `__getattr__`, and read the imports for them instead."""
    (block,) = (
        node
        for node in ast.parse(Path(jaxcomp.__file__).read_text()).body
        if isinstance(node, ast.If)
    )
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = {
        alias.asname: getattr(importlib.import_module(node.module), alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(seen) == sorted(jaxcomp.__all__)
    for name, found in seen.items():
        assert found is getattr(jaxcomp, name)


def test_the_version_is_that_of_the_installed_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert jaxcomp.__version__ == config["metadata"]["version"]
    assert "__version__" in dir(jaxcomp)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_what_a_notebook_imports_is_there(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    program = "\n".join("".join(cell["source"]) for cell in cells)
    program = re.sub(r"^( *)%.*", r"\1pass", program, flags=re.MULTILINE)  # commands of IPython
    imports = [
        node
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.ImportFrom)
        and node.module.split(".")[0] in ("jaxcomp", "experiments")
    ]
    assert imports
    exec(ast.unparse(ast.Module(imports, type_ignores=[])), {})


@pytest.mark.slow
def test_importing_the_package_imports_no_framework():
    program = (
        "import jaxcomp, jaxcomp.checkpoints, sys; jaxcomp.__version__; "
        "print({'jax', 'flax', 'optax', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_import_contracts():
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "setup.cfg", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
