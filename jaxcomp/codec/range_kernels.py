"""Holds the loops of the range coder, which numba compiles.

A state is three numbers. Those of an encoder are where its interval starts, how wide it is, and how
many words are complete. Those of a decoder are where the code is in the interval, how wide that is,
and how many words have been read. All are unsigned, since numba turns signed and unsigned numbers
together into floats.
"""

import numpy as np
from numba import njit, uint32, uint64

LOOK = 12  # bits of a quantile that index the table of first possible symbols
_ONE = uint64(1)
_WORD = uint64(32)  # bits
_FILLED = uint64(2**32)  # a narrower interval takes another word
_PRECISION = uint64(24)
_LOW_BITS = uint64(24 - LOOK)
_ALL = 1 << 24
_MANY = 1 << 10  # the fewest symbols for which a table pays
_SCALE = np.float32((_ALL - 2) / _ALL)  # scales the weights of a bit, whose sum is 2^24


@njit(cache=True, nogil=True)
def _put(words, lower, width, done, start, end):
    """Narrow the interval of an encoder to a share of [0, 2^24)."""
    unit = width >> _PRECISION
    before = lower
    lower += unit * start
    if lower < before:  # the sum is beyond 64 bits: carry
        place = done - _ONE
        while words[place] == uint32(0xFFFFFFFF):
            words[place] = uint32(0)
            place -= _ONE
        words[place] += uint32(1)
    width = unit * (end - start)
    if width < _FILLED:
        words[done] = uint32(lower >> _WORD)
        done += _ONE
        lower <<= _WORD
        width <<= _WORD
    return lower, width, done


@njit(cache=True, nogil=True)
def _take(words, point, width, done, start, end):
    """Narrow the interval of a decoder to a share of [0, 2^24)."""
    unit = width >> _PRECISION
    point -= unit * start
    width = unit * (end - start)
    if width < _FILLED:
        word = uint64(words[done]) if done < uint64(words.size) else uint64(0)
        done += _ONE
        point = point << _WORD | word
        width <<= _WORD
    return point, width, done


@njit(cache=True, nogil=True)
def _share_ends(weights, ends):
    """Find where the share of each symbol ends, in [0, 2^24)."""
    total = 0.0
    for i in range(weights.size):
        total += weights[i]
    scale = (_ALL - weights.size) / total
    total = 0.0
    for i in range(weights.size):
        total += weights[i]
        ends[i] = uint64(np.floor(total * scale)) + uint64(i + 1)
    ends[weights.size - 1] = _ALL


@njit(cache=True, nogil=True)
def _encode(symbols, low, ends, seen, words, state):
    lower, width, done = state[0], state[1], state[2]
    for i in range(symbols.size):
        symbol = symbols[i] - low
        seen[symbol] += 1
        start = ends[symbol - 1] if symbol else uint64(0)
        lower, width, done = _put(words, lower, width, done, start, ends[symbol])
    state[0], state[1], state[2] = lower, width, done


@njit(cache=True, nogil=True)
def _decode(symbols, low, ends, seen, words, state):
    first = np.zeros(1 << LOOK, np.int32)
    symbol = 0
    for i in range(first.size if symbols.size >= _MANY else 0):
        while ends[symbol] <= uint64(i) << _LOW_BITS:
            symbol += 1
        first[i] = symbol
    point, width, done = state[0], state[1], state[2]
    for i in range(symbols.size):
        quantile = point // (width >> _PRECISION)
        if quantile >= uint64(_ALL):
            return False
        symbol = first[quantile >> _LOW_BITS]
        while ends[symbol] <= quantile:
            symbol += 1
        seen[symbol] += 1
        symbols[i] = symbol + low
        start = ends[symbol - 1] if symbol else uint64(0)
        point, width, done = _take(words, point, width, done, start, ends[symbol])
    state[0], state[1], state[2] = point, width, done
    return True


@njit(cache=True, nogil=True)
def code_symbols(symbols, low, weights, seen, decoding, words, state):
    """Code symbols, from `low` on, with some weights, and count them in `seen`.

    Decoding writes them into the array. Returns whether the code is that of any symbols.
    """
    ends = np.empty(weights.size, np.uint64)
    _share_ends(weights, ends)
    if decoding:
        return _decode(symbols, low, ends, seen, words, state)
    _encode(symbols, low, ends, seen, words, state)
    return True


@njit(cache=True, nogil=True)
def code_blocks(symbols, ends, low, weights, gain, decoding, words, state):
    """Code blocks of symbols, each of which adds `gain` to its weight for the blocks after it.

    `ends` has where each block ends. Returns whether the code is that of any symbols.
    """
    begin = 0
    seen = np.empty(weights.size, np.int64)
    for end in ends:
        seen[:] = 0
        if not code_symbols(symbols[begin:end], low, weights, seen, decoding, words, state):
            return False
        for i in range(weights.size):
            weights[i] += gain * seen[i]
        begin = end
    return True


@njit(cache=True, nogil=True)
def code_pairs(symbols, alphabet, period, hints, gain, prior, decoding, words, state):
    """Code a chain of symbols (see `code_chain`); return whether there are such symbols."""
    in_context = np.zeros((2, alphabet, alphabet), np.int64)
    overall = np.full(alphabet, prior, np.int64)
    weights, seen = np.empty(alphabet, np.float64), np.zeros(alphabet, np.int64)
    total, before = prior * alphabet, 0
    for i in range(symbols.size):
        earlier = symbols[i - period] if i >= period else 0
        here = in_context[hints[i], (before + earlier + 1) // 2]
        for j in range(alphabet):
            weights[j] = here[j] * total + 2 * overall[j]
        one = symbols[i : i + 1]
        if not code_symbols(one, 0, weights, seen, decoding, words, state):
            return False
        before = one[0]
        here[before] += 1
        overall[before] += gain
        total += gain
    return True


@njit(cache=True, nogil=True)
def _zero_end(ones):
    """Find where the share of a zero ends, if a one has the probability `ones / 2^24`."""
    return uint64(np.floor(np.float32(_ALL - ones) * _SCALE)) + _ONE


@njit(cache=True, nogil=True)
def encode_bits(bits, ones, words, state):
    """Encode bits, each of which is one with probability `ones / 2^24`."""
    lower, width, done = state[0], state[1], state[2]
    for i in range(bits.size):
        end = _zero_end(ones[i])
        start, end = (end, uint64(_ALL)) if bits[i] else (uint64(0), end)
        lower, width, done = _put(words, lower, width, done, start, end)
    state[0], state[1], state[2] = lower, width, done


@njit(cache=True, nogil=True)
def decode_bits(out, ones, words, state):
    """Decode what `encode_bits` encodes; return whether the code is that of any bits."""
    point, width, done = state[0], state[1], state[2]
    for i in range(out.size):
        end = _zero_end(ones[i])
        quantile = point // (width >> _PRECISION)
        if quantile >= uint64(_ALL):
            return False
        out[i] = quantile >= end
        start, end = (end, uint64(_ALL)) if out[i] else (uint64(0), end)
        point, width, done = _take(words, point, width, done, start, end)
    state[0], state[1], state[2] = point, width, done
    return True
