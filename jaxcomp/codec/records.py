"""Codes one array of a file: the facts about it, then its values, whole or part by part."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxcomp.codec.arranged import MEMORY as MEMORY_OF_BYTE
from jaxcomp.codec.arranged import code_arranged
from jaxcomp.codec.chain import MEMORY as CHAIN_MEMORY
from jaxcomp.codec.choice import choose_scheme
from jaxcomp.codec.coder import Coder
from jaxcomp.codec.dtypes import is_floating
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.facts import Facts, Kind
from jaxcomp.codec.floats import MEMORY_OF_ENTRY as MEMORY_OF_FLOAT
from jaxcomp.codec.floats import code_floats, exponent_factors
from jaxcomp.codec.levels import FewValued, negatives
from jaxcomp.codec.limits import MEMORY_OF_ARRAY, Budget
from jaxcomp.codec.many_valued import bits_of, choose_floats, smallest_way
from jaxcomp.codec.planes import code_planes
from jaxcomp.codec.scaled import MEMORY_OF_FACTOR, code_factors, code_scaled, slice_factors
from jaxcomp.codec.scheme import Scheme, code_by_rows

Hints = dict[int, np.ndarray]
AnyCoder = TypeVar("AnyCoder", bound=Coder)
_GAIN = 0.98  # an arrangement must make an array smaller by this factor
_WORK, _WORK_OF_ENTRY = 300_000, 20  # nanoseconds of work for each array, and for each entry


class Record(NamedTuple):
    """Holds an array of a file."""

    facts: Facts
    few_valued: FewValued | None  # None for a many-valued array
    array: np.ndarray | None  # None if the array is few-valued and only known by its levels

    def values(self) -> np.ndarray:
        """Return the array in the machine's byte order, writeable."""
        array = self.array
        if array is None:
            assert self.few_valued is not None
            array = self.few_valued.values()
        return array.astype(self.facts.dtype.newbyteorder("="), copy=False)

    def copy(self) -> "Record":
        """Return a record whose values lie in other memory."""
        return self if self.array is None else self._replace(array=self.array.copy())


class Known(NamedTuple):
    """Holds an array that is to be written."""

    facts: Facts
    given: FewValued | np.ndarray
    levels: np.ndarray | None  # where a sparse array is not zero; the exponents of floats


class Head(NamedTuple):
    """Holds what the levels of all parts of an array need."""

    codebook: np.ndarray | None
    factors: tuple[np.ndarray, ...]


def known(record: FewValued | np.ndarray, hints: Hints) -> Known:
    """Choose how to code an array: few-valued, or many-valued (contiguous, little-endian)."""
    if not isinstance(record, FewValued):
        return _known_many(record, hints)
    facts, levels = _facts_of_levels(record), record.levels
    facts = facts._replace(scheme=choose_scheme(levels, facts.bounds, hints))
    return Known(facts, record, levels)


def _known_many(array: np.ndarray, hints: Hints) -> Known:
    facts, levels = Facts(Kind.PLAIN, array.dtype, array.shape), None
    words = array.reshape(-1).view(f"u{array.itemsize}")
    if np.count_nonzero(words) < words.size:
        levels = (words != 0).reshape(array.shape).view(np.int8)
        facts = facts._replace(kind=Kind.SPARSE, bounds=(0, 1))
        facts = facts._replace(scheme=choose_scheme(levels, facts.bounds, hints))
    elif (found := choose_floats(array)) is not None:
        levels, highest, axes = found
        facts = facts._replace(kind=Kind.FLOATS, bounds=(int(levels.min()), 0))
        facts = facts._replace(highest=highest, scheme=Scheme(axes))
    best = Known(facts, array, levels)
    arranged = smallest_way(array)
    if arranged is None:
        return best
    way, bits = arranged
    if bits >= _GAIN * bits_of(lambda coder: encode_values(coder, best, dict(hints))):
        return best
    return Known(Facts(Kind.ARRANGED, array.dtype, array.shape, way=way), array, None)


def encode_values(coder: Coder, array: Known, hints: Hints) -> None:
    """Encode the values of an array."""
    _code_values(coder, array.facts, hints, array)


def decode_values(coder: Coder, facts: Facts, hints: Hints) -> Record:
    """Decode the values of an array.

    Raises:
      FormatError: if they are not valid or exceed the limits.
    """
    return _code_values(coder, facts, hints, None)


def parts_of(facts: Facts, number: int) -> list[slice]:
    """Return the slice of each of some number of parts, of the entries in row-major order."""
    ends = [facts.size * i // number for i in range(number + 1)]
    return [slice(begin, end) for begin, end in itertools.pairwise(ends)]


def code_parts(
    parts: int,
    begin: Callable[[int], AnyCoder],
    end: Callable[[int, AnyCoder], None],
    facts: Facts,
    array: Known | None,
    each: Callable[[Callable[[int], Any], Iterable[int]], None] | None,
) -> Record:
    """Code an array as parts, each of which can be decoded alone, given the head in the first.

    Args:
      parts: number of parts.
      begin: makes the coder of a part, by its number.
      end: is called with each part's number and coder once it has been coded.
      facts: the facts about the array.
      array: the array to encode; None to decode.
      each: calls a function with each of some numbers, at the same time if it can; one part needs
        none.
    """
    first = begin(0)
    head = _code_head(first, facts, array)
    places, out = parts_of(facts, parts), None
    if array is None and parts > 1:
        out = np.empty(facts.size, facts.dtype if head.codebook is None else facts.level_dtype)

    def code(number: int) -> np.ndarray:
        coder = begin(number) if number else first
        found = _code_part(coder, facts, head, {}, places[number], array)
        end(number, coder)
        if out is not None:
            out[places[number]] = found
        return found

    if parts == 1:
        return _record(facts, head, code(0))
    assert each is not None
    each(code, range(parts))
    return _record(facts, head, out)


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
            and is_floating(codebook.dtype)
            and (-codebook[:below][::-1]).tobytes() == positive.tobytes()
        )
        kind = Kind.MIRRORED if mirrored else Kind.TABLE
        low, high = -below, codebook.size - 1 - below
    elif codebook.ndim > 1:
        kind, step_shape = Kind.STEPS, codebook.shape
    return Facts(kind, codebook.dtype, levels.shape, (low, high), bool(zero), step_shape)


def spend(budget: Budget, facts: Facts) -> None:
    """Count the cost of an array as far as it is known before its values."""
    budget.spend("arrays", facts.size * facts.dtype.itemsize)
    budget.work(_WORK + _WORK_OF_ENTRY * facts.size)
    if facts.scheme.settings is not None and facts.size:
        rows, columns = facts.scheme.matrix_shape(facts.shape)
        # Each row takes a step for each magnitude, and each column takes one symbol.
        largest = max(1, -facts.bounds[0], facts.bounds[1])
        budget.spend("rows", largest * (columns if facts.scheme.transposed else rows))
        budget.spend("rows", rows if facts.scheme.transposed else columns)
        budget.hold(rows + columns)  # as hints for later arrays
    budget.need(memory_beside(facts))


def memory_beside(facts: Facts) -> int:
    """Return the bytes that an array needs while it is coded."""
    size, levels = facts.size, facts.level_bytes
    coding = levels
    if facts.scheme.axes:
        # An entry takes a class, and its level twice: in the order of the classes and of the array.
        slices = sum(facts.shape[axis] for axis in facts.scheme.axes)
        coding = 2 * levels + size + MEMORY_OF_FACTOR * slices
    elif facts.scheme.settings is not None and size:
        # Memory holds the live columns and all of them, or all of them and their transpose.
        coding = 2 * size + CHAIN_MEMORY * sum(facts.scheme.matrix_shape(facts.shape))
    array = size * facts.dtype.itemsize
    if facts.kind == Kind.FLOATS:
        coding = max(coding, levels + size * MEMORY_OF_FLOAT + array)
    elif facts.kind == Kind.ARRANGED:
        coding = MEMORY_OF_BYTE * array
    return facts.codebook_size * facts.dtype.itemsize + max(coding, levels + array)


def keep(budget: Budget, facts: Facts) -> None:
    """Count what stays of an array: its values or, for some readers, levels and codebook."""
    itemsize = facts.dtype.itemsize
    budget.keep(
        MEMORY_OF_ARRAY
        + max(facts.size * itemsize, facts.level_bytes)
        + facts.codebook_size * itemsize
    )


def _code_values(coder: Coder, facts: Facts, hints: Hints, array: Known | None) -> Record:
    head = _code_head(coder, facts, array)
    whole = slice(0, facts.size)
    return _record(facts, head, _code_part(coder, facts, head, hints, whole, array))


def _record(facts: Facts, head: Head, flat: np.ndarray | None) -> Record:
    if flat is None:  # an encoder has no values
        return Record(facts, None, None)
    if head.codebook is None:
        return Record(facts, None, flat.reshape(facts.shape))
    return Record(facts, FewValued(flat.reshape(facts.shape), head.codebook), None)


def _code_head(coder: Coder, facts: Facts, array: Known | None) -> Head:
    given = None if array is None else array.given
    known_codebook = given.codebook if isinstance(given, FewValued) else None
    codebook, factors = None, ()
    if facts.kind in (Kind.TABLE, Kind.MIRRORED):
        codebook = _code_table(coder, facts, known_codebook)
    elif facts.kind in (Kind.STEP, Kind.STEPS):
        steps = None if known_codebook is None else known_codebook.reshape(-1)
        codebook = code_planes(coder, facts.dtype, facts.codebook_size, steps)
        codebook = codebook.reshape(facts.step_shape)
    if facts.size:
        factors_of = exponent_factors if facts.kind == Kind.FLOATS else slice_factors
        axes, known = facts.scheme.axes, None
        if array is not None and (levels := array.levels) is not None:
            known = tuple(factors_of(levels, axis) for axis in axes)
        factors = code_factors(coder, facts.shape, axes, known)
    return Head(codebook, factors)


def _code_part(
    coder: Coder, facts: Facts, head: Head, hints: Hints, part: slice, array: Known | None
) -> np.ndarray:
    """Code a part of an array, flat: its levels, or its entries if it is not few-valued."""
    size = part.stop - part.start
    given = None if array is None else array.given
    entries = given.reshape(-1)[part] if isinstance(given, np.ndarray) else None
    if facts.kind == Kind.PLAIN:
        return code_planes(coder, facts.dtype, size, entries)
    if facts.kind == Kind.ARRANGED:
        return code_arranged(coder, facts.dtype, facts.shape, facts.way, entries)
    levels = None if array is None or array.levels is None else array.levels.reshape(-1)[part]
    if not facts.size:
        levels = np.zeros(0, facts.level_dtype)
    elif facts.scheme.settings is not None:
        whole = None if levels is None else levels.reshape(facts.shape)
        levels = code_by_rows(coder, facts.shape, facts.bounds, facts.scheme, hints, whole)
        levels = levels.reshape(-1)
    else:
        told = facts.scheme.axes, head.factors, facts.scheme.prior
        levels = code_scaled(coder, facts.shape, facts.bounds, *told, part, levels)
    if facts.few:
        return levels
    if facts.kind == Kind.FLOATS:
        return code_floats(coder, facts.dtype, facts.highest, levels, entries)
    at, count = levels.view(bool), int(np.count_nonzero(levels))
    coder.budget.need(size + (size + count) * facts.dtype.itemsize)
    values = code_planes(coder, facts.dtype, count, None if entries is None else entries[at])
    if entries is not None:
        return entries
    out = np.zeros(size, facts.dtype)
    out[at] = values
    return out


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
