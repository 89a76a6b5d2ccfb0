"""Libraries of other formats, which are imported when a file of theirs is read."""

import importlib
from typing import Any


def library(name: str, extra: str) -> Any:
    """Import a library.

    Args:
      name: of the module; its package has `-` for each dot.
      extra: of this package that installs it.

    Raises:
      ImportError: if it is not installed; it says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.replace(".", "-")
        raise ImportError(f'this needs {package}: pip install "jaxcomp[{extra}]"') from error
