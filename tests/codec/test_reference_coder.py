"""The range coder as FORMAT.md describes it, in plain integers, reads what the library writes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.codec.coder import PRECISION, Encoder

MASK = 2**64 - 1


class ReferenceDecoder:
    def __init__(self, code: bytes):
        self.words = [
            int.from_bytes(code[i : i + 4].ljust(4, b"\0"), "big") for i in range(0, len(code), 4)
        ]
        self.lower, self.width, self.point = 0, MASK, 0
        for _ in range(2):
            self.shift()

    def shift(self):
        word = self.words.pop(0) if self.words else 0
        self.point = (self.point << 32 | word) & MASK

    def symbol(self, weights, number=float):
        """One symbol; `number` is the arithmetic that its probabilities are rounded in."""
        scale = number(number(2**PRECISION - len(weights)) / number(sum(weights)))
        starts, total = [], number(0)
        for i, weight in enumerate(weights):
            starts.append(int(number(total * scale)) + i)
            total = number(total + number(weight))
        starts.append(2**PRECISION)
        unit = self.width >> PRECISION
        quantile = ((self.point - self.lower) & MASK) // unit
        symbol = max(i for i, start in enumerate(starts[:-1]) if start <= quantile)
        self.lower = (self.lower + unit * starts[symbol]) & MASK
        self.width = unit * (starts[symbol + 1] - starts[symbol])
        if self.width < 2**32:
            self.lower, self.width = (self.lower << 32) & MASK, (self.width << 32) & MASK
            self.shift()
        return symbol


@given(
    st.lists(st.integers(1, 2**20), min_size=2, max_size=300),
    st.lists(st.floats(0, 0.999), max_size=100),
    st.lists(st.tuples(st.integers(1, 2**PRECISION - 1), st.booleans()), max_size=50),
)
def test_symbols_and_bits(weights, places, pairs):
    symbols = np.array([int(place * len(weights)) for place in places], np.int64)
    ones, bits = np.array([p for p, _ in pairs], np.int64), np.array([b for _, b in pairs], bool)
    encoder = Encoder()
    if symbols.size:
        encoder.symbols(np.array(weights), symbols.size, symbols)
    encoder.bits(ones, bits)
    decoder = ReferenceDecoder(encoder.finish())
    assert [decoder.symbol(weights) for _ in symbols] == symbols.tolist()
    for one, bit in zip(ones.tolist(), bits.tolist(), strict=True):
        assert decoder.symbol([2**PRECISION - one, one], np.float32) == bit
