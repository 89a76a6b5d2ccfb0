"""Keeps arrays that take long to make on disk."""

import os
import zipfile
from pathlib import Path

import numpy as np

from jaxcomp.files import replacing


def cache_folder() -> Path:
    """Return the folder of `JAXCOMP_CACHE_DIR`, or `~/.cache/jaxcomp`; it may not exist yet."""
    return Path(os.environ.get("JAXCOMP_CACHE_DIR") or Path.home() / ".cache" / "jaxcomp")


def read_cache(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of an `.npz` file, or None if it is missing or incomplete."""
    try:
        # numpy does not close a file that it opened itself if that is not a whole archive.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def write_cache(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays that `read_cache` reads; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # no array is `allow_pickle`
