"""Codes names, shapes and other small facts byte by byte, predicted from similar bytes before."""

import functools

import numpy as np

from jaxcomp.codec.coder import PRECISION, Coder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import MEMORY_OF_TEXT

ORDERS = 5  # bytes from which a byte is predicted, at most
_LONGEST_NUMBER = 9  # bytes: 63 bits
_WORK = 30_000  # nanoseconds for each byte

# Each text is coded as if this had come before it: part of the format.
PRIMER = (
    b"params\0Dense_0\0bias\1params\0Dense_0\0kernel\1params\0Dense_1\0bias\1Dense_1\0kernel\1"
    b"Dense_2\0bias\1Dense_2\0kernel\1params\0Conv_0\0bias\1params\0Conv_0\0kernel\1Conv_1\0"
    b"kernel\1params\0BatchNorm_0\0bias\1BatchNorm_0\0scale\1BatchNorm_1\0scale\1batch_stats\0"
    b"BatchNorm_0\0mean\1BatchNorm_0\0var\1LayerNorm_0\0scale\1Embed_0\0embedding\1"
    b"layers.0.weight\1layers.0.bias\1layer1.0.conv1.weight\1layer1.0.bn1.running_mean\1"
    b"layer1.0.bn1.running_var\1fc1.weight\1fc1.bias\1fc.weight\1fc.bias\1"
)


class Text:
    """Codes a sequence of bytes, each predicted from those before it.

    The prediction of order k mixes that of order k - 1 with the counts of the bytes that followed
    the same k bytes. Order k - 1 weighs half an observation for each distinct byte among them
    (Witten and Bell's rule, halved).
    """

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._counts: _Counts = {}  # only contexts that the text has met, with the primer's counts
        self._all = np.bincount(np.frombuffer(PRIMER, np.uint8), minlength=256).astype(float)
        self._different = int(np.count_nonzero(self._all))  # bytes that have occurred
        self._last = b""
        self.length = self._spent = 0

    def spend(self) -> None:
        """Count the bytes since the last call in the budget of the coder, which may refuse."""
        new, self._spent = self.length - self._spent, self.length
        self._coder.budget.spend("text", new)
        self._coder.budget.hold(MEMORY_OF_TEXT * new)

    def byte(self, value: int | None) -> int:
        """Code one byte."""
        self._coder.budget.work(_WORK)
        # Many bytes follow the empty context, for which arrays are fast; few follow the others.
        different = self._different / 2
        total = len(PRIMER) + self.length + different
        weights = self._all / total
        weights += 1 / 256 * (different / total)
        contexts, met = _contexts(self._last), []
        # A memoryview is three times as fast as numpy for single entries.
        one_by_one: memoryview[float] = memoryview(weights.data)
        for context in contexts:
            counts = self._met(context)
            if counts is None:
                break
            met.append(counts)
            total = sum(counts.values()) + len(counts) / 2
            weights *= len(counts) / 2 / total
            for byte, count in counts.items():
                one_by_one[byte] += count / total
        # The weights are integers, since a sum of floats would depend on its order.
        weights *= 1 << PRECISION
        np.floor(weights, out=weights)
        weights += 1
        known = None if value is None else np.array([value], np.int32)
        value = int(self._coder.symbols(weights, 1, known)[0])
        self._different += 0 if self._all[value] else 1
        self._all[value] += 1
        for counts in met:
            _count(counts, value)
        for context in contexts[len(met) :]:
            self._counts[context] = {value: 1}
        self._last = (self._last + bytes([value]))[-ORDERS:]
        self.length += 1
        return value

    def _met(self, context: bytes) -> dict[int, int] | None:
        """Return what followed a context, as counts to be added to; None if it was never met."""
        counts = self._counts.get(context)
        if counts is None and (primed := _primed().get(context)) is not None:
            counts = self._counts[context] = primed.copy()
        return counts

    def symbol(self, alphabet: int, value: int | None) -> int:
        """Code one of some numbers from 0, all equally likely; it is no part of the text."""
        self._coder.budget.work(_WORK)
        known = None if value is None else np.array([value], np.int32)
        return int(self._coder.symbols(np.ones(alphabet), 1, known)[0])

    def number(self, value: int | None) -> int:
        """Code a number of up to 63 bits: seven in a byte, the lowest first, bit 7 if more follow.

        Raises:
          FormatError: if it is longer.
        """
        number = 0
        for position in range(_LONGEST_NUMBER):
            rest = None if value is None else value >> 7 * position
            byte = self.byte(None if rest is None else rest & 0x7F | (0x80 if rest > 0x7F else 0))
            number |= (byte & 0x7F) << 7 * position
            if byte < 0x80:
                return number
        raise FormatError("a number is longer than 63 bits")


_Counts = dict[bytes, dict[int, int]]  # how often each byte followed each context


def _contexts(last: bytes) -> list[bytes]:
    """Return the last byte, the last two and so on."""
    return [last[len(last) - order :] for order in range(1, len(last) + 1)]


def _count(counts: dict[int, int], byte: int) -> None:
    counts[byte] = counts.get(byte, 0) + 1


@functools.cache
def _primed() -> _Counts:
    counts: _Counts = {}
    for end, byte in enumerate(PRIMER):
        for context in _contexts(PRIMER[max(0, end - ORDERS) : end]):
            _count(counts.setdefault(context, {}), byte)
    return counts
