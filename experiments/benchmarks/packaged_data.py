"""Files that lie in installed packages, found without importing these."""

import importlib.metadata
from pathlib import Path


def packaged(distribution: str, version: str, name: str) -> Path:
    """Return the path of the file `name` in a distribution of PyPI.

    Raises:
      ImportError: if that version is not installed; the message has the command.
      FileNotFoundError: if it has no such file.
    """
    remedy = f'pip install --no-deps "{distribution}=={version}"'
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError(f"{distribution} is not installed: {remedy}") from error
    if found.version != version:
        raise ImportError(f"{distribution} {found.version} is installed, not {version}: {remedy}")
    for file in found.files or ():
        if file.name == name:
            return Path(file.locate())
    raise FileNotFoundError(f"{distribution} {version} has no file {name}: {remedy}")
