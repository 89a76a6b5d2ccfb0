"""Configures Sphinx: `sphinx-build -W --keep-going docs build/html` makes the documentation."""

import importlib.metadata
import inspect
import re
import shutil
from pathlib import Path

project = "jaxcomp"
author = "The jaxcomp authors"
copyright = "2026, The jaxcomp authors"
version = release = importlib.metadata.version("jaxcomp")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

html_theme = "sphinx_book_theme"
html_title = "jaxcomp"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True, "navbar_persistent": []}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Docstrings write code in single backquotes.
default_role = "code"
autodoc_member_order = "groupwise"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# A field of a dataclass is described once: under its class.
napoleon_use_ivar = True

# Tests run the notebooks; pages show them as they are committed. Sphinx reads only what lies in
# this folder.
nb_execution_mode = "off"
nb_render_markdown_format = "myst"  # which has tables
_here = Path(__file__).parent
shutil.copytree(_here.parent / "notebooks", _here / "notebooks", dirs_exist_ok=True)


def _comment_of_field(app, what, name, obj, options, lines):
    """Describe a field of a named tuple by the comment beside it, in place of its number."""
    if not (lines and lines[0].startswith("Alias for field number")):
        return
    module, _, field = name.rpartition(".")
    found = re.search(rf"^    {field}: [^#\n]*# (?!type:)(.+)$", _source(module), re.MULTILINE)
    lines[:] = [found[1].replace("|", r"\|")] if found else []  # no substitutions


def _source(class_name):
    module, _, name = class_name.rpartition(".")
    return inspect.getsource(getattr(importlib.import_module(module), name))


def setup(app):
    """Connect to autodoc."""
    app.connect("autodoc-process-docstring", _comment_of_field)
