"""What is shown runs: the examples of docstrings and of the README."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import jax
import pytest

import jaxcomp

README = (Path(__file__).parents[1] / "README.md").read_text()
MODULES = [module.name for module in pkgutil.walk_packages(jaxcomp.__path__, "jaxcomp.")]


@pytest.mark.usefixtures("standard_promotion")
def test_docstrings():
    results = [doctest.testmod(importlib.import_module(name)) for name in MODULES]
    assert sum(result.attempted for result in results) > 10
    assert sum(result.failed for result in results) == 0


def test_public_functions_of_the_package_have_an_example():
    # Files are shown in the README instead.
    for name in ("add_compressibility", "compressibility", "compressibility_tree", "keep_masked"):
        assert ">>>" in getattr(jaxcomp, name).__doc__


@pytest.mark.usefixtures("standard_promotion")
def test_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 2
    namespace: dict = {}
    for example in examples:
        exec(example, namespace)
    params, loaded = namespace["params"], namespace["loaded"]
    assert jax.tree.structure(params) == jax.tree.structure(loaded)
    # What the text says of the result.
    assert namespace["size"] < 150
    assert namespace["loss"](loaded, namespace["x"], namespace["y"]) < 0.02
    assert not loaded["hidden"]["kernel"][2:].any()
