"""Compiled functions of which type checkers and editors know the signature.

`jax.jit` returns an object that, to them, takes anything and returns anything.
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
