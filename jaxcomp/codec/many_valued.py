"""Chooses the way of coding that makes an array of many values smallest."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from jaxcomp.codec.arranged import Order, Way, can_pack, code_arranged
from jaxcomp.codec.axes_choice import costs_of_axes, smallest_axes
from jaxcomp.codec.coder import Coder, Encoder
from jaxcomp.codec.counted import code_counted
from jaxcomp.codec.dtypes import FIELDS
from jaxcomp.codec.floats import code_floats, exponent_factors, relative_exponents
from jaxcomp.codec.planes import code_planes
from jaxcomp.codec.scaled import Axes

_SAMPLE = 2**15  # entries that are coded to estimate the bits
_LOOKED_AT = 2**14  # places that are searched for repetitions of the same entries
_FEWEST = 16  # the fewest places without zeros
_ALIKE = 4, 16  # entries and bytes in a row that hardly repeat by chance
_SHARE = 0.02  # the share of repeated ones from which on LZMA is tried
_MOST = 2**28  # bytes that LZMA is given at most


def choose_floats(values: np.ndarray) -> tuple[np.ndarray, int, Axes] | None:
    """Return exponents, the highest, and the axes of their scales, or None if planes are smaller.

    Args:
      values: contiguous little-endian array of any shape, without zeros.
    """
    if values.dtype.name not in FIELDS or values.size < 2:
        return None
    exponents, highest = relative_exponents(values)
    some = values.reshape(-1)[:_SAMPLE]
    by_fields = bits_of(lambda coder: _code_fields(coder, some))
    if by_fields >= bits_of(lambda coder: code_planes(coder, some.dtype, some.size, some)):
        return None
    bounds = int(exponents.min()), 0
    costs = costs_of_axes(exponents, bounds, exponent_factors)
    return exponents, highest, smallest_axes(costs)


def smallest_way(values: np.ndarray) -> tuple[Way, int] | None:
    """Return the smallest way of `arranged` and its bits, or None if none can be small.

    Args:
      values: contiguous little-endian array of any shape.
    """
    words = values.view(f"u{values.itemsize}")
    if values.size < _FEWEST or values.nbytes > _MOST:
        return None
    bits = {
        way: bits_of(
            partial(code_arranged, dtype=values.dtype, shape=values.shape, way=way, values=values)
        )
        for way in _candidates(words, values)
    }
    return min(bits.items(), key=lambda item: item[1]) if bits else None


def _candidates(words: np.ndarray, values: np.ndarray) -> Iterator[Way]:
    """Yield the ways that can pay, judged by some of the entries."""
    orders = [Order.ROWS] if values.ndim < 2 else [Order.ROWS, Order.COLUMNS]
    can = can_pack()
    if can and any(_repeats(words, order) for order in orders):
        yield from (Way(order, packed=True) for order in orders)
    if values.ndim and _ascends(values):
        yield from (Way(Order.DIFFERENCES, packed=packed) for packed in {False, can})
    if _is_symmetric(words):
        yield Way(Order.SYMMETRIC)


def _repeats(words: np.ndarray, order: Order) -> bool:
    """Tell whether runs of entries without a zero often occur again."""
    length = max(_ALIKE[0], _ALIKE[1] // words.itemsize)
    rows = words.reshape(1 if words.ndim < 2 else len(words), -1)
    rows = rows if order == Order.ROWS else rows.T
    together = max(1, _LOOKED_AT // rows.shape[1])
    nearby = np.ascontiguousarray(rows[:together]).reshape(-1)[: _LOOKED_AT + length]
    starts = rows[: _LOOKED_AT * max(1, len(rows) // _LOOKED_AT) : max(1, len(rows) // _LOOKED_AT)]
    for grams in (
        np.lib.stride_tricks.sliding_window_view(nearby, min(length, nearby.size)),
        starts[:, :length],
    ):
        grams = grams[(grams != 0).all(axis=1)]
        if len(grams) >= _FEWEST:
            different = len(np.unique(grams, axis=0))
            if different < (1 - _SHARE) * len(grams):
                return True
    return False


def _is_symmetric(words: np.ndarray) -> bool:
    if words.ndim != 2 or words.shape[0] != words.shape[1]:
        return False
    # Most asymmetric matrices differ in the first row and column already.
    return bool((words[0] == words[:, 0]).all() and (words == words.T).all())


def _ascends(values: np.ndarray) -> bool:
    """Tell whether almost all entries are at least the one before, on the last axis."""
    if values.shape[-1] < 3 or values.dtype.kind not in "iuf":
        return False
    some = values.reshape(-1, values.shape[-1])[: max(1, _LOOKED_AT // values.shape[-1])]
    some = some[:, :_LOOKED_AT]
    with np.errstate(invalid="ignore"):
        return bool(np.mean(some[:, 1:] >= some[:, :-1]) > 1 - _SHARE)


def _code_fields(coder: Coder, values: np.ndarray) -> None:
    exponents, highest = relative_exponents(values)
    low = int(exponents.min())
    code_counted(coder, 1 - low, exponents.size, exponents, low=low)
    code_floats(coder, values.dtype, highest, exponents, values)


def bits_of(code: Callable[[Coder], Any]) -> int:
    """Return the bits of what a function codes."""
    raw = bytearray()
    coder = Encoder(raw.extend)
    code(coder)
    return coder.size + 8 * len(raw)
