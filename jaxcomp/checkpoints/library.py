"""Imports libraries of other formats when a file needs them."""

import importlib
from typing import Any


def library(name: str, extra: str) -> Any:
    """Import a library.

    Args:
      name: name of the module; its package has `-` for each dot.
      extra: extra of this package that installs it.

    Raises:
      ImportError: if it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.replace(".", "-")
        raise ImportError(f'this needs {package}: pip install "jaxcomp[{extra}]"') from error
