"""Modules import, and only from the layers below them."""

import importlib
import pkgutil
import subprocess
import sys

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


@pytest.mark.slow
def test_importing_the_package_imports_no_framework():
    program = (
        "import jaxcomp, jaxcomp.checkpoints, sys; "
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
