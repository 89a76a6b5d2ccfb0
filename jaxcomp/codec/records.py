"""One array of a file: the facts about it, then its values."""

import enum
import math
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.chain import MEMORY as CHAIN_MEMORY
from jaxcomp.codec.choice import choose_scheme
from jaxcomp.codec.coder import Coder
from jaxcomp.codec.dtypes import code_of, dtype_of, signed_dtype
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.grid import MAX_LEVEL
from jaxcomp.codec.levels import FewValued, negatives
from jaxcomp.codec.limits import MAX_AXES, MAX_ELEMENTS, MEMORY_OF_ARRAY
from jaxcomp.codec.planes import code_planes
from jaxcomp.codec.scaled import MEMORY_OF_FACTOR
from jaxcomp.codec.scheme import Scheme, code_levels, code_scheme
from jaxcomp.codec.text import Text

Hints = dict[int, np.ndarray]
_TYPES = 32  # room for types in the byte that has the kind and the type
_WORK, _WORK_OF_ENTRY = 300_000, 20  # nanoseconds for each array, and for each entry


class Kind(enum.IntEnum):
    """What the values of an array are made of."""

    PLAIN = 0  # every entry by itself
    SPARSE = 1  # where it is not zero, and the entries there
    TABLE = 2  # levels and the values they stand for
    MIRRORED = 3  # the same, with negative values that mirror the positive ones
    STEP = 4  # levels and a step
    STEPS = 5  # levels and a step for each slice


class Facts(NamedTuple):
    """What is told of an array before its values."""

    kind: Kind
    dtype: np.dtype
    shape: tuple[int, ...]
    bounds: tuple[int, int] = (0, 0)  # smallest and largest level, or 0
    zero: bool = False  # whether a mirrored table has 0 in its middle
    step_shape: tuple[int, ...] = ()
    scheme: Scheme = Scheme()

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def table_sizes(self) -> tuple[int, int]:
        """Number of values of a table, and of those that are stored."""
        low, high = self.bounds
        if self.kind == Kind.MIRRORED:
            return 2 * -low + self.zero, -low
        return high - low + 1, high - low + 1

    @property
    def codebook_size(self) -> int:
        """Number of values that levels stand for, or of steps."""
        if self.kind in (Kind.TABLE, Kind.MIRRORED):
            return self.table_sizes()[0]
        return math.prod(self.step_shape) if self.kind in (Kind.STEP, Kind.STEPS) else 0

    @property
    def level_bytes(self) -> int:
        """Bytes of all levels."""
        if self.kind == Kind.PLAIN:
            return 0
        return self.size * np.dtype(signed_dtype(*self.bounds)).itemsize


class Record(NamedTuple):
    """An array of a file."""

    facts: Facts
    few_valued: FewValued | None  # None for an array of many values
    array: np.ndarray | None  # None if it is few-valued, and not known as it is

    def values(self) -> np.ndarray:
        """The array in the machine's byte order, writeable."""
        array = self.few_valued.values() if self.array is None else self.array
        return array.astype(self.facts.dtype.newbyteorder("="), copy=False)


def check_shape(shape: tuple[int, ...]) -> None:
    """Raises a ValueError if an array of this shape is beyond the limits of the format."""
    # numpy multiplies the axes of an array without elements too, and overflows.
    if len(shape) > MAX_AXES or math.prod(n for n in shape if n) > MAX_ELEMENTS:
        raise ValueError(
            f"an array of shape {tuple(shape)} is beyond the limits of the format: "
            f"{MAX_ELEMENTS} elements and {MAX_AXES} axes"
        )


def encode_record(coder: Coder, text: Text, hints: Hints, record: FewValued | np.ndarray) -> None:
    """Code an array: few-valued, or of many values (contiguous, little-endian)."""
    if isinstance(record, FewValued):
        facts, levels = _facts_of_levels(record), record.levels
    else:
        dtype, shape = record.dtype, record.shape
        levels = (record.reshape(-1).view(f"u{dtype.itemsize}") != 0).reshape(shape).astype(np.int8)
        kind = Kind.PLAIN if levels.all() else Kind.SPARSE
        facts = Facts(kind, dtype, shape, (0, int(kind == Kind.SPARSE)))
    if facts.kind != Kind.PLAIN:
        facts = facts._replace(scheme=choose_scheme(levels, facts.bounds, hints))
    _code_facts(text, facts)
    _spend(coder, facts)
    _code_values(coder, facts, hints, record, levels)
    _keep(coder, facts)


def decode_record(coder: Coder, text: Text, hints: Hints) -> Record:
    """Decode an array, which counts as kept.

    Raises:
      FormatError: if the facts about it contradict each other or are beyond the limits.
    """
    facts = _code_facts(text, None)
    _spend(coder, facts)
    record = _code_values(coder, facts, hints, None, None)
    _keep(coder, facts)
    return record


def _facts_of_levels(record: FewValued) -> Facts:
    levels, codebook = record
    low, high = (min(0, int(levels.min())), max(0, int(levels.max()))) if levels.size else (0, 0)
    kind, zero, step_shape = Kind.STEP, False, ()
    if codebook.ndim == 1:
        below = negatives(codebook)
        zero = below < codebook.size and not codebook[below : below + 1].tobytes().strip(b"\0")
        positive = codebook[below + zero :]
        mirrored = (
            below == positive.size
            and below > 0
            and codebook.dtype.kind not in "biu"
            and (-codebook[:below][::-1]).tobytes() == positive.tobytes()
        )
        kind = Kind.MIRRORED if mirrored else Kind.TABLE
        low, high = -below, codebook.size - 1 - below
    elif codebook.ndim > 1:
        kind, step_shape = Kind.STEPS, codebook.shape
    return Facts(kind, codebook.dtype, levels.shape, (low, high), bool(zero), step_shape)


def _spend(coder: Coder, facts: Facts) -> None:
    """Count what is known of the cost of an array before its values are."""
    budget, size, levels = coder.budget, facts.size, facts.level_bytes
    array = size * facts.dtype.itemsize
    budget.spend("arrays", array)
    budget.work(_WORK + _WORK_OF_ENTRY * size)
    coding = levels
    if facts.scheme.axes:
        # A class and a level for each entry, in the order of the classes and in that of the array.
        slices = sum(facts.shape[axis] for axis in facts.scheme.axes)
        coding = 2 * levels + size + MEMORY_OF_FACTOR * slices
    elif facts.scheme.settings is not None and size:
        rows, columns = facts.scheme.matrix_shape(facts.shape)
        # Each row takes a step for each magnitude, and something is told of each column.
        largest = max(1, -facts.bounds[0], facts.bounds[1])
        budget.spend("rows", largest * (columns if facts.scheme.transposed else rows))
        budget.spend("rows", rows if facts.scheme.transposed else columns)
        budget.hold(rows + columns)  # as hints
        # The columns that are alive, and all; or all, and all transposed.
        coding = 2 * size + CHAIN_MEMORY * (rows + columns)
    budget.need(facts.codebook_size * facts.dtype.itemsize + max(coding, levels + array))


def _keep(coder: Coder, facts: Facts) -> None:
    """Count what stays of an array: its values or, for some readers, levels and codebook."""
    itemsize = facts.dtype.itemsize
    coder.budget.keep(
        MEMORY_OF_ARRAY
        + max(facts.size * itemsize, facts.level_bytes)
        + facts.codebook_size * itemsize
    )


def _code_facts(text: Text, known: Facts | None) -> Facts:
    one = text.byte(None if known is None else _TYPES * known.kind + code_of(known.dtype))
    kind, code = divmod(one, _TYPES)
    if kind > max(Kind):
        raise FormatError(f"unknown kind of array {one}: the file was written by a newer version")
    kind, dtype = Kind(kind), dtype_of(code)
    axes = text.byte(None if known is None else len(known.shape))
    if axes > MAX_AXES:
        raise FormatError(f"an array of {axes} axes is beyond the limits of the format")
    shape = tuple(text.number(None if known is None else known.shape[i]) for i in range(axes))
    try:
        check_shape(shape)
    except ValueError as error:
        raise FormatError(str(error)) from None
    bounds, zero, step_shape, scheme = (0, 0), False, (), Scheme()
    if kind == Kind.SPARSE:
        bounds = (0, 1)
    elif kind == Kind.MIRRORED:
        number = text.number(None if known is None else 2 * -known.bounds[0] + known.zero)
        zero = bool(number & 1)
        bounds = (-(number >> 1), (number >> 1) - (not zero))
    elif kind != Kind.PLAIN:
        low = text.number(None if known is None else -known.bounds[0])
        high = text.number(None if known is None else known.bounds[1] + (kind == Kind.TABLE))
        bounds = (-low, high - (kind == Kind.TABLE))
    if max(-bounds[0], bounds[1]) > MAX_LEVEL + 1:
        raise FormatError(f"levels from {bounds[0]} to {bounds[1]} are beyond the limits")
    if (kind in (Kind.STEP, Kind.STEPS) and dtype.kind == "b") or (
        kind == Kind.MIRRORED and dtype.kind in "biu"
    ):
        raise FormatError(f"an array of kind {kind.name} cannot be of type {dtype}")
    if kind == Kind.STEPS and axes < 2:
        raise FormatError("steps for each slice are for two axes or more")
    if kind in (Kind.TABLE, Kind.MIRRORED) and bounds[1] < bounds[0]:
        raise FormatError("a table without values")
    if kind == Kind.STEPS:
        step_shape = tuple(
            shape[i] if text.byte(None if known is None else int(known.step_shape[i] != 1)) else 1
            for i in range(axes)
        )
    if kind != Kind.PLAIN:
        scheme = code_scheme(text, axes, bounds, None if known is None else known.scheme)
    return Facts(kind, dtype, shape, bounds, zero, step_shape, scheme)


def _code_values(
    coder: Coder,
    facts: Facts,
    hints: Hints,
    record: FewValued | np.ndarray | None,
    levels: np.ndarray | None,
) -> Record:
    if facts.kind == Kind.PLAIN:
        flat = None if record is None else record.reshape(-1)
        array = code_planes(coder, facts.dtype, facts.size, flat)
        return Record(facts, None, array.reshape(facts.shape))
    codebook = None
    if facts.kind in (Kind.TABLE, Kind.MIRRORED):
        codebook = _code_table(coder, facts, None if record is None else record.codebook)
    elif facts.kind in (Kind.STEP, Kind.STEPS):
        size = math.prod(facts.step_shape)
        steps = None if record is None else record.codebook.reshape(-1)
        codebook = code_planes(coder, facts.dtype, size, steps).reshape(facts.step_shape)
    if facts.size:
        levels = code_levels(coder, facts.shape, facts.bounds, facts.scheme, hints, levels)
    else:
        levels = np.zeros(facts.shape, np.int8)
    if facts.kind != Kind.SPARSE:
        return Record(facts, FewValued(levels, codebook), None)
    at, count = levels.view(bool), int(np.count_nonzero(levels))
    values = None if record is None else record[at]
    coder.budget.need(facts.size + (facts.size + count) * facts.dtype.itemsize)
    values = code_planes(coder, facts.dtype, count, values)
    array = np.zeros(facts.shape, facts.dtype)
    array[at] = values
    return Record(facts, None, array)


def _code_table(coder: Coder, facts: Facts, codebook: np.ndarray | None) -> np.ndarray:
    size, stored = facts.table_sizes()
    known = None if codebook is None else np.ascontiguousarray(codebook[size - stored :])
    values = code_planes(coder, facts.dtype, stored, known)
    if facts.kind == Kind.MIRRORED:
        middle = np.zeros(int(facts.zero), facts.dtype)
        values = np.concatenate([-values[::-1], middle, values])
    if negatives(values) != -facts.bounds[0]:
        raise FormatError("a table does not have the number of negative values declared for it")
    return values
