"""Writes the streams of a file: the main one, and parts of large arrays beside it.

The main stream has the names and facts of all arrays, and the values of small ones. Large arrays
lie apart, so that a reader can skip them, and read several at the same time.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.coder import Encoder
from jaxcomp.codec.container import ContainerWriter, Part
from jaxcomp.codec.facts import APART, SAME, Facts, code_facts
from jaxcomp.codec.fast import coders
from jaxcomp.codec.levels import FewValued
from jaxcomp.codec.limits import Cost
from jaxcomp.codec.names import Names, encode_end, encode_names
from jaxcomp.codec.records import (
    Hints,
    Known,
    code_parts,
    encode_values,
    keep,
    known,
    memory_beside,
    spend,
)
from jaxcomp.codec.text import Text
from jaxcomp.codec.threads import Threads

_APART = 2**18  # bits from which on an array lies apart: a part costs some 100
_PART = 2**23  # bits of a part, in an array of several
_SCALED = 4  # so many times as many where each part learns the levels of each scale
_SHARED = 2**9  # bits from which on a repetition is worth noting, which costs some 50
_AHEAD = 2**26  # bytes of arrays that wait to be written

Form = FewValued | np.ndarray  # the forms that records take


class _Made(NamedTuple):
    """Holds an array that has been examined and, if it is one part apart, coded."""

    form: Form
    known: Known | None = None  # set for an array that lies apart
    parts: int = 0
    coded: tuple[list[Part], Cost] | None = None


class _Written(NamedTuple):
    """Describes an array in the file that a later one may repeat."""

    place: int
    facts: Facts
    cost: Cost
    apart: bool


class MainStream:
    """Writes arrays in the order in which they are added; threads code them meanwhile."""

    def __init__(self, container: ContainerWriter, threads: Threads) -> None:
        self._container, self._threads = container, threads
        self._raw = bytearray()
        self._encoder = coders(0)[0](self._raw.extend)
        self.budget, self._text = self._encoder.budget, Text(self._encoder)
        self._hints: Hints = {}
        self._waiting: deque[tuple[Callable[[], None], int]] = deque()
        self._waiting_bytes = self._arrays = 0
        self._seen: set[bytes] = set()
        self._written: dict[bytes, _Written] = {}
        self._shared: set[int] = set()

    def add_empty_dict(self, names: Names) -> None:
        """Add the names of a dict without entries."""

        def write() -> None:
            encode_names(self._text, names, empty=True)
            self._text.spend()

        self._wait(write, 0)

    def add(self, names: Names, given: Form, form: Callable[[], tuple[Form, float]]) -> None:
        """Add an array.

        Args:
          names: where the array is in the nested dict.
          given: what two equal arrays have in common.
          form: returns the form in which it is stored, and about how many bits that takes.
        """
        arrays = (given.levels, given.codebook) if isinstance(given, FewValued) else (given,)
        identity = _identity(arrays)
        made = partial(_made, form)
        if identity not in self._seen:  # else it is called only if the arrays differ after all
            self._seen.add(identity)
            made = self._threads.start(made)
        size = sum(array.nbytes for array in arrays)
        self._wait(lambda: self._write(names, identity, made), size)

    def finish(self) -> int:
        """Write what is left, and return the size of the file in bytes."""
        self._write_waiting(0)
        encode_end(self._text)
        self._text.spend()
        code, shared = self._encoder.finish(), sorted(self._shared)
        self._container.finish(bytes(self._raw), code, shared, self.budget.smallest_file())
        return self._container.size

    def _wait(self, write: Callable[[], None], size: int) -> None:
        self._waiting.append((write, size))
        self._waiting_bytes += size
        self._write_waiting(_AHEAD if self._threads.number > 1 else 0)

    def _write_waiting(self, most: int) -> None:
        """Write the first ones, until at most so many bytes wait."""
        while self._waiting and (self._waiting_bytes > most or not most):
            write, size = self._waiting.popleft()
            write()
            self._waiting_bytes -= size

    def _write(self, names: Names, identity: bytes, made: Callable[[], _Made]) -> None:
        encode_names(self._text, names)
        original = self._written.get(identity)
        if original is None:
            self._write_values(identity, made())
        else:
            self._text.byte(SAME)
            self._text.number(self._arrays - original.place)
            self._count(original.facts, original.cost)
            if not original.apart:
                self._shared.add(original.place)
        self._text.spend()
        self._arrays += 1

    def _write_values(self, identity: bytes, made: _Made) -> None:
        if made.known is None:
            self._write_here(identity, made.form)
            return
        facts = made.known.facts
        parts, cost = made.coded or _coded(made.known, made.parts, self._threads)
        self._text.byte(APART)
        code_facts(self._text, facts)
        self._text.number(len(parts))
        for raw, code in parts:
            self._text.number(len(code))
            self._text.number(len(raw))
            self._container.write_part(raw, code)
        self._count(facts, cost)
        self._written[identity] = _Written(self._arrays, facts, cost, apart=True)

    def _count(self, facts: Facts, cost: Cost) -> None:
        """Count an array whose values are elsewhere."""
        spend(self.budget, facts)
        self.budget.add(cost)
        keep(self.budget, facts)

    def _write_here(self, identity: bytes, form: Form) -> None:
        array = known(form, self._hints)
        code_facts(self._text, array.facts)
        spend(self.budget, array.facts)
        bits = self._encoder.size + 8 * len(self._raw)
        encode_values(self._encoder, array, self._hints)
        bits = self._encoder.size + 8 * len(self._raw) - bits
        keep(self.budget, array.facts)
        if bits >= _SHARED:
            # A reader still has the array, and does not read it again.
            self._written[identity] = _Written(self._arrays, array.facts, Cost(0, 0), apart=False)


def _made(form: Callable[[], tuple[Form, float]]) -> _Made:
    found, bits = form()
    if bits < _APART:
        return _Made(found)
    array = known(found, {})
    parts = 1
    if not array.facts.whole:
        most = _PART * (_SCALED if array.facts.scheme.axes else 1)
        parts = max(1, min(round(bits) // most, array.facts.size))
    coded = _coded(array, 1, None) if parts == 1 else None
    return _Made(found, array, parts, coded)


def _coded(array: Known, number: int, threads: Threads | None) -> tuple[list[Part], Cost]:
    """Return the parts of an array, and what they cost; without threads, of one part."""
    parts: list[Part] = [(b"", b"")] * number
    costs = [Cost(0, 0)] * number
    raw = [bytearray() for _ in range(number)]

    def end(number: int, encoder: Encoder) -> None:
        parts[number] = bytes(raw[number]), encoder.finish()
        raw[number].clear()  # it can be as large as the array
        costs[number] = encoder.budget.cost()

    each = None if threads is None else threads.each
    encoder_of, _ = coders(array.facts.size)
    code_parts(number, lambda i: encoder_of(raw[i].extend), end, array.facts, array, each)
    memory = max(memory_beside(array.facts), *(cost.memory for cost in costs))
    return parts, Cost(sum(cost.work for cost in costs), memory)


def _identity(arrays: tuple[np.ndarray, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for array in arrays:
        digest.update(f"{array.dtype.name} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()
