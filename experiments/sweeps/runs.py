"""The runs of a sweep: each is made once, and its result kept in a file of its own."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jaxcomp import strict_json


def kept(folder: Path, label: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a run, made now or found in the folder: a sweep goes on where it was killed.

    Args:
      folder: where results are kept; made if it is not there.
      label: what tells this run from all others of the sweep; the file is named after it.
      make: makes the run; the result can be written as JSON. Infinite numbers come back as NaN.

    Raises:
      DamagedFileError: if the file in the folder is not JSON.
    """
    readable = re.sub(r"[^A-Za-z0-9.]+", "_", label)
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]  # "l1/l2" and "l1 + l2" are two labels
    path = folder / f"{readable}_{digest}.json"
    if not path.is_file():
        result = make()
        jax.clear_caches()  # each run compiles functions of its own, which would all be kept
        folder.mkdir(parents=True, exist_ok=True)
        strict_json.write(path, result)
    return strict_json.with_nan(strict_json.read(path, "delete it, and the run is made again"))
