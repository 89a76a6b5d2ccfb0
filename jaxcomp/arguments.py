"""Checks numbers that users give early, and names them in the error."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def check_number(
    name: str, value: Any, wanted: str, holds: Callable[[float], bool], *, integer: bool = False
) -> None:
    """Raise an error that names an argument unless it is a finite number for which `holds`.

    Numbers are those of Python and NumPy, and JAX arrays without axes. A traced number has no value
    yet, and is accepted.

    Args:
      name: name of the argument.
      value: its value.
      wanted: what it should be, such as "a number of steps, at least 1".
      holds: tells whether a number is valid.
      integer: whether it must be an integer.

    Raises:
      TypeError: if `value` is not a real number, or not an integer although `integer`.
      ValueError: if `holds` returns False, or it is not finite.

    Example:
      >>> from jaxcomp.arguments import check_number
      >>> check_number("steps", -1, "a number of steps, at least 0", lambda n: n >= 0)
      Traceback (most recent call last):
      ValueError: steps must be a number of steps, at least 0, got -1
    """
    kind = "an integer" if integer else "a number"
    if not _is_number(value, integer):
        raise TypeError(f"{name} must be {wanted}, and {kind}: got {value!r}")
    if isinstance(value, jax.core.Tracer):
        return
    if not math.isfinite(value) or not holds(float(value)):
        raise ValueError(f"{name} must be {wanted}, got {value}")


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Raise a ValueError that lists the choices unless a name is one of them.

    Example:
      >>> from jaxcomp.arguments import check_choice
      >>> check_choice("scope", "layer", ["global", "tensor"])
      Traceback (most recent call last):
      ValueError: unknown scope 'layer': choose from 'global', 'tensor'
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"unknown {name} {value!r}: choose from {', '.join(map(repr, choices))}")


def _is_number(value: Any, integer: bool) -> bool:
    kinds = "iu" if integer else "iuf"
    if isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, int | float):
        return isinstance(value, int) or not integer
    if not isinstance(value, np.number | np.ndarray | jax.Array) or value.ndim:
        return False
    # bfloat16 and similar types have a kind of their own in NumPy.
    return value.dtype.kind in kinds or (not integer and jnp.issubdtype(value.dtype, jnp.floating))
