"""Reads and writes JSON that every reader accepts, with errors that name the damaged file."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxcomp.files import replacing


class DamagedFileError(ValueError):
    """Says which file does not hold what was written to it, and the remedy."""


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON, with null for floats that are not finite.

    JSON has no names for such floats. Python would write `NaN` and `Infinity`, which other programs
    refuse to read.

    Example:
      >>> from jaxcomp.strict_json import dumps
      >>> dumps({"loss": float("nan"), "steps": 10})
      '{"loss": null, "steps": 10}'
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
    except (ValueError, RecursionError) as error:  # also for bytes that are not text
        raise DamagedFileError(f"{path} is damaged, it is not JSON ({error}): {remedy}") from error


def with_nan(value: Any) -> Any:
    """Return a value that was read, with NaN for null; `dumps` made every null from a number.

    Example:
      >>> from jaxcomp.strict_json import with_nan
      >>> with_nan({"loss": None})
      {'loss': nan}
    """
    return _replaced(value, lambda one: math.nan if one is None else one)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _replaced(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a JSON value with other leaves."""
    if isinstance(value, dict):
        return {key: _replaced(one, replace) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one, replace) for one in value]
    return replace(value)
