"""The entropy coder: a list of levels to bytes and back.

This is the only module that knows the coder, and `encode` and `decode` are all that the rest of
the package knows of this module.

Payload: the count of every level but the last as LEB128 numbers, then the words of a range coder
(uint32, little-endian) under the static model that the counts define.
"""

import constriction
import numpy as np

from jaxcomp.codec.errors import FormatError


def encode(levels: np.ndarray, alphabet: int) -> bytes:
    """Code integers of `[0, alphabet)`, shape [n], close to their zeroth-order entropy."""
    counts = np.bincount(levels, minlength=alphabet)
    table = b"".join(_leb128(int(count)) for count in counts[:-1])
    if alphabet < 2 or levels.size == 0:
        return table
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(levels.astype(np.int32), _model(counts))
    return table + encoder.get_compressed().astype("<u4").tobytes()


def decode(payload: bytes, count: int, alphabet: int) -> np.ndarray:
    """The `count` levels that `encode` made into `payload`, as int32 of shape [count].

    Raises:
      FormatError: if the payload is not one that `encode` makes for this count and alphabet.
    """
    counts, rest = np.zeros(alphabet, np.int64), payload
    for level in range(alphabet - 1):
        counts[level], rest = _read_leb128(rest)
    counts[-1] = count - counts[:-1].sum()
    if counts[-1] < 0:
        raise FormatError(f"the level counts add up to more than the {count} weights declared")
    if len(rest) % 4:
        raise FormatError(f"the entropy-coded part has {len(rest)} bytes, not a multiple of 4")
    if alphabet < 2 or count == 0:
        if rest:
            raise FormatError("bytes are left over after a tensor without entropy-coded levels")
        return np.zeros(count, np.int32)
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(rest, "<u4").astype(np.uint32))
    try:
        levels = decoder.decode(_model(counts), count)
    except AssertionError as error:  # how the coder reports an impossible word
        raise FormatError("the entropy-coded levels are not a valid code") from error
    if not np.array_equal(np.bincount(levels, minlength=alphabet), counts):
        raise FormatError("the entropy-coded levels do not have the counts declared for them")
    return levels


def _model(counts: np.ndarray) -> constriction.stream.model.Categorical:
    # Division of integers below 2^53 is exact to the last bit under IEEE 754, so that writer and
    # reader build the same model on any machine. `perfect` has to be set: its default will change.
    return constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)


def _leb128(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_leb128(data: bytes) -> tuple[int, bytes]:
    number = 0
    for position, byte in enumerate(data[:6]):  # 42 bits: counts far beyond any memory
        number |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return number, data[position + 1 :]
    raise FormatError("a level count is cut off or larger than any tensor")
