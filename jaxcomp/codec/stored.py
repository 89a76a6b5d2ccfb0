"""Reads the arrays of an open file, wherever their values are."""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from jaxcomp.codec import segments, version1
from jaxcomp.codec.coder import Decoder, MeteringDecoder
from jaxcomp.codec.container import Container
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.facts import APART, END_OF_VERSION_2, SAME, Facts, Kind, code_facts
from jaxcomp.codec.fast import coders
from jaxcomp.codec.layout import PART_DIGEST
from jaxcomp.codec.levels import few_valued
from jaxcomp.codec.names import (
    EMPTY,
    NEXT_SEGMENT,
    Names,
    Unflattened,
    decode_names,
    join,
)
from jaxcomp.codec.records import (
    Hints,
    Record,
    code_parts,
    decode_values,
    keep,
    memory_beside,
    spend,
)
from jaxcomp.codec.text import Text
from jaxcomp.codec.threads import Threads

_ENTRIES_PER_BYTE = 16  # entries that a file is expected to have


class Span(NamedTuple):
    """Says where a part of an array is."""

    number: int  # the number of the part in the file
    begin: int
    raw_bytes: int
    code_bytes: int


class Apart(NamedTuple):
    """Stands for an array whose values have not been read."""

    facts: Facts
    spans: tuple[Span, ...]


class Same(NamedTuple):
    """Stands for an array that is equal to an earlier one."""

    facts: Facts
    original: Record | Apart


Stored = Record | Apart | Same
Item = tuple[Names, Stored | None, float]  # None for an empty dict; size in bytes


class StoredArrays:
    """Reads the arrays of a file, in order.

    Attributes:
      threads: the threads that read.
    """

    def __init__(self, container: Container, threads: Threads) -> None:
        self._container, self.threads = container, threads
        self._budget = container.budget

    def items(
        self,
        *,
        metered: bool = False,
        few: bool = False,
        until_array: bool = False,
        wanted: Callable[[Names], bool] = lambda names: True,
    ) -> Iterator[Item]:
        """Yield names, array and size in bytes of all arrays; the array of an empty dict is None.

        Args:
          metered: whether sizes are wanted.
          few: whether few-valued arrays are wanted as levels, even if they are stored otherwise.
          until_array: whether to stop at the first array.
          wanted: tells by its names whether an array is wanted; others are skipped, and not counted
            as kept.

        Raises:
          FormatError: if the file is not valid or exceeds its limits.
        """
        if self._container.version == 1:
            if not until_array:
                yield from (item for item in self._of_version_1(few) if wanted(item[0]))
            return
        parts = iter(self._main_stream())
        expected = 0 if until_array else _ENTRIES_PER_BYTE * len(self._container.body)
        _, decoder_of = coders(expected)
        decoder = (MeteringDecoder if metered else decoder_of)(budget=self._budget)
        decoder.start(*next(parts))
        text, taken = Text(decoder), Unflattened()
        hints: Hints = {}
        originals = _Originals(self._container)
        before = 0.0
        while (found := decode_names(text)) is not None:
            if found is NEXT_SEGMENT:
                _check_used_up(decoder)
                part = next(parts, None)
                if part is None:
                    raise FormatError("the last segment is followed by another")
                decoder.start(*part)
                continue
            names, empty = found
            if until_array and not empty:
                return
            stored, is_wanted = None, wanted(names)
            try:
                taken.add(names, EMPTY if empty else None)
                if not empty:
                    stored = self._decode(decoder, text, hints, originals)
                    if is_wanted:
                        keep(self._budget, stored.facts)
                text.spend()
            except FormatError as error:
                raise FormatError(f"{join(names)}: {error}") from error
            except ValueError as error:
                raise FormatError(str(error)) from error
            size = decoder.spent if isinstance(decoder, MeteringDecoder) else 0.0
            apart = sum(PART_DIGEST + span.raw_bytes + span.code_bytes for span in _spans(stored))
            if is_wanted:
                yield names, stored, size - before + apart
            before = size
        _check_used_up(decoder)
        if next(parts, None) is not None:
            raise FormatError("a segment belongs to no array")
        originals.check_end()

    def record(self, stored: Stored) -> Record:
        """Read the values of an array, unless they have been read.

        Raises:
          FormatError: if they are damaged, or exceed the limits of the file.
        """
        match stored:
            case Same():
                return self.record(stored.original).copy()
            case Apart():
                self._budget.need(memory_beside(stored.facts))
                _, decoder_of = coders(stored.facts.size)
                return code_parts(
                    len(stored.spans),
                    lambda number: self._decoder(stored.spans[number], decoder_of),
                    lambda number, decoder: _check_used_up(decoder),
                    stored.facts,
                    None,
                    self.threads.each,
                )
        return stored

    def start(self, stored: Stored) -> Callable[[], Record]:
        """Begin to read the values of an array, and return a function that waits for them."""
        if isinstance(stored, Record):
            return lambda: stored
        read = stored.original if isinstance(stored, Same) else stored
        if len(_spans(read)) > 1:  # its parts are read at the same time, once it is wanted
            return lambda: self.record(stored)
        return self.threads.start(self.record, stored)

    def _decode(
        self, decoder: Decoder, text: Text, hints: Hints, originals: "_Originals"
    ) -> Stored:
        first = text.byte(None)
        if self._container.version == 2 and first >= END_OF_VERSION_2:
            raise FormatError(f"unknown kind of array {first} in a file of version 2")
        if first not in (APART, SAME):
            facts = code_facts(text, None, first)
            spend(self._budget, facts)
            stored = decode_values(decoder, facts, hints)
        elif first == APART:
            facts = code_facts(text, None)
            spend(self._budget, facts)
            stored = Apart(facts, originals.spans(text, facts))
        else:
            stored = originals.same(text.number(None))
            spend(self._budget, stored.facts)
        originals.add(stored)
        return stored

    def _decoder(self, span: Span, decoder_of: type[Decoder]) -> Decoder:
        raw, code = self._container.part(*span)
        return decoder_of(code, raw, self._budget)

    def _main_stream(self) -> list[tuple[memoryview, memoryview]]:
        container = self._container
        if container.footer is None:
            return segments.split(container.body)
        end = len(container.body) - container.footer.size
        start = end - container.footer.code_bytes
        return [(container.body[:start], container.body[start:end])]

    def _of_version_1(self, few: bool) -> Iterator[Item]:
        for names, array, size in version1.read_arrays(self._container.body, self._budget):
            if array is None:
                yield names, None, 0.0
                continue
            levels = few_valued(array) if few and array.size else None
            facts = Facts(Kind.PLAIN, array.dtype, array.shape)
            yield names, Record(facts, levels, array), float(size)


class _Originals:
    """Finds the parts of arrays, and the originals of repeated arrays."""

    def __init__(self, container: Container) -> None:
        footer = container.footer
        self._shared: Collection[int] = frozenset(footer.shared if footer else ())
        self._declared = footer.parts if footer else 0
        self._end, self._parts_end = container.parts_begin, container.parts_end
        self._arrays = self._parts = 0
        self._by_place: dict[int, Stored] = {}

    def add(self, stored: Stored) -> None:
        """Count an array."""
        if isinstance(stored, Apart) or self._arrays in self._shared:
            self._by_place[self._arrays] = stored
        self._arrays += 1

    def same(self, distance: int) -> Same:
        """Return an array that repeats the one at a distance before it."""
        stored = self._by_place.get(self._arrays - distance)
        if stored is None or isinstance(stored, Same):
            raise FormatError(f"it is the same as an array {distance} before it, which is not kept")
        return Same(stored.facts, stored)

    def spans(self, text: Text, facts: Facts) -> tuple[Span, ...]:
        """Read where the parts of an array are."""
        count, found = text.number(None), []
        if not 1 <= count <= max(1, facts.size) or (count > 1 and facts.whole):
            raise FormatError(f"{count} parts of an array of {facts.size} entries")
        for _ in range(count):
            code_bytes, raw_bytes = text.number(None), text.number(None)
            if self._parts == self._declared or (
                self._end + raw_bytes + code_bytes > self._parts_end
            ):
                raise FormatError("a part of an array is declared, beyond those of the file")
            found.append(Span(self._parts, self._end, raw_bytes, code_bytes))
            self._parts += 1
            self._end += raw_bytes + code_bytes
        return tuple(found)

    def check_end(self) -> None:
        """Check that nothing is left over."""
        if self._end != self._parts_end or self._parts != self._declared:
            raise FormatError("a part belongs to no array")


def _spans(stored: Stored | None) -> tuple[Span, ...]:
    if isinstance(stored, Same):
        return ()
    return stored.spans if isinstance(stored, Apart) else ()


def _check_used_up(decoder: Decoder) -> None:
    if decoder.raw_left:
        raise FormatError(f"{decoder.raw_left} bytes belong to no array")
