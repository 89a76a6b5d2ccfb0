"""Codes floating-point numbers of many values: exponents, then mantissas, then random bits.

The exponents of weights follow the scales of their slices (see `scaled`). The first bits of a
mantissa follow the exponent: the larger a weight is, the faster the density of weights falls within
an octave.
"""

import numpy as np

from jaxcomp.codec.coder import Coder
from jaxcomp.codec.dtypes import FIELDS, signed_dtype
from jaxcomp.codec.planes import code_plane
from jaxcomp.codec.scaled import CLASSES, FACTORS, code_classes

_FIRST_BITS = 3  # bits of a mantissa that follow the exponent
_TOGETHER = 2**16  # entries that are split at a time
_WORK = 10  # nanoseconds for each byte
MEMORY_OF_ENTRY = 6  # bytes beside the exponent and the entry itself


def relative_exponents(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the stored exponents of numbers, less the highest of them, and the highest."""
    exponent_bits, mantissa_bits = FIELDS[values.dtype.name]
    words = values.reshape(-1).view(f"u{values.itemsize}")

    def of(part: slice) -> np.ndarray:
        found = (words[part] >> mantissa_bits) & ((1 << exponent_bits) - 1)
        return found.astype(np.int64)

    parts = [slice(start, start + _TOGETHER) for start in range(0, words.size, _TOGETHER)]
    highest = max((int(of(part).max()) for part in parts), default=0)
    lowest = min((int(of(part).min()) for part in parts), default=0)
    exponents = np.empty(words.size, signed_dtype(lowest - highest, 0))
    for part in parts:
        exponents[part] = of(part) - highest
    return exponents.reshape(values.shape), highest


def exponent_factors(exponents: np.ndarray, axis: int) -> np.ndarray:
    """Return the scale of each slice along an axis, int of `[1, 64)`: 32 for the mean."""
    others = tuple(a for a in range(exponents.ndim) if a != axis % exponents.ndim)
    means = exponents.sum(axis=others, dtype=np.int64) * (exponents.shape[axis] / exponents.size)
    factors = np.rint(4 * (means - means.mean())) + FACTORS // 2
    return np.clip(factors, 1, FACTORS - 1).astype(np.int16)


def code_floats(
    coder: Coder,
    dtype: np.dtype,
    highest: int,
    exponents: np.ndarray,
    values: np.ndarray | None,
) -> np.ndarray:
    """Code numbers whose exponents are known, and return the numbers.

    Args:
      coder: see `Coder`.
      dtype: a type in `FIELDS`, little-endian.
      highest: see `relative_exponents`.
      exponents: see `relative_exponents`, of shape [count].
      values: the numbers to encode, of that shape; None to decode.
    """
    exponent_bits, mantissa_bits = FIELDS[dtype.name]
    rest_bits = mantissa_bits - _FIRST_BITS
    count, sign = exponents.size, exponent_bits + mantissa_bits
    coder.budget.work(_WORK * count * dtype.itemsize)
    unsigned = np.dtype(f"<u{dtype.itemsize}")
    words = np.zeros(count, unsigned) if values is None else values.view(unsigned)
    parts = [slice(start, start + _TOGETHER) for start in range(0, count, _TOGETHER)]
    classes = np.empty(count, np.uint8)
    first = None if values is None else np.empty(count, np.int8)
    for part in parts:
        classes[part] = np.maximum(exponents[part].astype(np.int64) + CLASSES - 1, 1)
        if first is not None:
            first[part] = (words[part] >> rest_bits) & (2**_FIRST_BITS - 1)
    first = code_classes(coder, classes, (0, 2**_FIRST_BITS - 1), first)
    # The sign precedes the other bits of the mantissa; the first byte may have fewer than 8 bits.
    bits, plane = 1 + rest_bits, np.empty(count, np.uint8)
    for start in reversed(range(0, bits, 8)):
        if values is not None:
            for part in parts:
                plane[part] = _rest(words[part], sign, rest_bits) >> start & 0xFF
        code_plane(coder, min(8, bits - start), count, None if values is None else plane, plane)
        if values is None:
            for part in parts:
                words[part] |= plane[part].astype(unsigned) << start
    if values is not None:
        return values
    for part in parts:
        rest = words[part]
        word = (exponents[part].astype(np.int64) + highest).astype(unsigned) << mantissa_bits
        word |= first[part].astype(unsigned) << rest_bits
        word |= rest & ((1 << rest_bits) - 1)
        words[part] = word | (rest >> rest_bits << sign)
    return words.view(dtype)


def _rest(words: np.ndarray, sign: int, rest_bits: int) -> np.ndarray:
    return (words >> sign << rest_bits) | (words & ((1 << rest_bits) - 1))
