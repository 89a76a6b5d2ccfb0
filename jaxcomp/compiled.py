"""Compiles functions by `jax.jit` and keeps their signature for type checkers and editors.

To them, what `jax.jit` returns takes anything and returns anything.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function by `jax.jit`."""
    return cast(Function, jax.jit(function))


def compiled_method(method: Function) -> Function:
    """Compile a method by `jax.jit`, once for each object that it is called on."""
    return cast(Function, jax.jit(method, static_argnums=0))
