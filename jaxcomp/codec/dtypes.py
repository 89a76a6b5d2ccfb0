"""Lists the array types that a file can hold, and their codes in it."""

import functools

import numpy as np

from jaxcomp.codec.errors import FormatError

# The codes are part of the file format: append, never reorder.
NAMES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3",
    "float8_e3m4",
    "float8_e4m3b11fnuz",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn",
    "int4",
    "uint4",
    "int2",
    "uint2",
)
# Each type has these bits of exponent and of mantissa.
FIELDS = {"float16": (5, 10), "bfloat16": (8, 7), "float32": (8, 23), "float64": (11, 52)}
_OF_NUMPY = 12  # so many are NumPy's; those of ml_dtypes take one or two bytes for each entry


@functools.cache  # numpy takes microseconds to find the name of a type
def code_of(dtype: np.dtype) -> int:
    """Return the code of an array type, whatever its byte order.

    Raises:
      TypeError: if a file cannot hold the type.
    """
    if dtype.name not in NAMES:
        raise TypeError(
            f"arrays of type {dtype.name} cannot be stored: convert to one of {', '.join(NAMES)}"
        )
    return NAMES.index(dtype.name)


def signed_dtype(low: int, high: int) -> type[np.signedinteger]:
    """Return the smallest of int8, int16 and int32 that holds all of `[low, high]`."""
    for dtype, beyond in ((np.int8, 2**7), (np.int16, 2**15)):
        if -beyond <= low and high < beyond:
            return dtype
    return np.int32


def is_floating(dtype: np.dtype) -> bool:
    """Tell whether a type is neither bool nor an integer type."""
    return not (dtype.kind == "b" or is_integer(dtype))


@functools.cache
def dtype_of(code: int) -> np.dtype:
    """Return the little-endian array type of a code.

    Raises:
      FormatError: if there is no such code.
      ImportError: if the type needs a package that is not installed.
    """
    if not 0 <= code < len(NAMES):
        raise FormatError(f"unknown array type {code}: the file was written by a newer version")
    if code >= _OF_NUMPY:
        return _of_ml_dtypes(NAMES[code])
    return np.dtype(NAMES[code]).newbyteorder("<")


def is_integer(dtype: np.dtype) -> bool:
    """Tell whether a type is an integer type; bool is not."""
    return dtype.name.startswith(("int", "uint"))


def _of_ml_dtypes(name: str) -> np.dtype:
    # The package comes with jax, but a reader without jax needs it only for files that use these
    # types.
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError(
            f"the file holds {name} arrays, which numpy lacks: pip install ml_dtypes"
        ) from error
    return np.dtype(getattr(ml_dtypes, name))
