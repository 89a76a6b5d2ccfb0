"""JSON that every reader accepts, and errors that name the damaged file."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxcomp.files import replacing


class DamagedFileError(ValueError):
    """A file does not hold what was written to it; the message names it and the remedy."""


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Write a value as JSON, with null for floats that are not finite.

    JSON has no names for them. Python would write `NaN` and `Infinity`, which others refuse to
    read.
    """
    return json.dumps(_replaced(value, _finite), indent=indent, allow_nan=False)


def write(path: Path, value: Any, *, indent: int | None = None) -> None:
    """Write a value to a JSON file, which appears whole or not at all (see `dumps`).

    Raises:
      OSError: if the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(dumps(value, indent=indent) + "\n")


def read(path: Path, remedy: str) -> Any:
    """Return the value that a JSON file holds.

    Args:
      path: the file.
      remedy: what a user can do about a damaged file, as the end of the message.

    Raises:
      DamagedFileError: if the file is not JSON.
      OSError: if it cannot be read.
    """
    try:
        return json.loads(path.read_text())
    except (ValueError, RecursionError) as error:  # also bytes that are no text
        raise DamagedFileError(f"{path} is damaged, it is not JSON ({error}): {remedy}") from error


def with_nan(value: Any) -> Any:
    """Return a value that was read with NaN for null, where `dumps` made all nulls of numbers."""
    return _replaced(value, lambda one: math.nan if one is None else one)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _replaced(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a value of JSON with other leaves."""
    if isinstance(value, dict):
        return {key: _replaced(one, replace) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one, replace) for one in value]
    return replace(value)
