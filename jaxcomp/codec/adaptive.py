"""Codes sparse matrices of levels row by row, each level given the rows before it.

Rows of a trained kernel are alike: neighboring pixels, or positions of a convolution, see the same
thing. So a weight is likely where the weight above it is, and has the same sign. Columns are units:
some have many weights. A row is coded as one vector, so that no step is taken for a single weight.
"""

from typing import NamedTuple

import numpy as np

from jaxcomp.codec.chain import MEMORY as CHAIN_MEMORY
from jaxcomp.codec.chain import code_chain
from jaxcomp.codec.coder import PRECISION, Coder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.logistic import COUNT_UNIT, UNIT, Mixer, Odds, clipped, probability

MAX_MAGNITUDE = 32  # the largest magnitude of a level, because magnitudes are coded one by one
MAX_WIDTH = 2**19  # the most columns that are alive, so that sums over a row fit 64 bits
CLASSES = 15  # the number of classes of row densities: 0 for a row of zeros, 8 for the mean
CLASS_UNIT = 1893  # log-odds from class to class: ln 2 / 1.5
_BASES = 192  # the number of mean densities
_BASE_UNIT = UNIT // 8
HALF = 1 << (PRECISION - 1)
# The weights of mixers start here.
ZERO_WEIGHTS, SIGN_WEIGHTS = (0.6, 0.6, 0.4, 0.3), (0.8, 0.5, 0.3)
MAGNITUDE_WEIGHTS = (0.3, 0.3, 0.3, 0.3)

# Each column that is alive takes these bytes: for the row at hand, and for counts of a magnitude.
_MEMORY, _TABLE_MEMORY = 320, 8


class Settings(NamedTuple):
    """Holds what the encoder chose and the decoder is told."""

    period: int  # distance between rows that are neighbors along another axis; 1 for none
    densities: bool  # whether each row says how dense it is


def code_adaptive(
    coder: Coder,
    shape: tuple[int, int],
    bounds: tuple[int, int],
    settings: Settings,
    hints: dict[int, np.ndarray],
    levels: np.ndarray | None,
) -> np.ndarray:
    """Code a matrix of levels row by row and return it.

    Args:
      coder: see `Coder`.
      shape: rows and columns of the matrix.
      bounds: smallest and largest possible level, `-32 <= low <= 0 <= high <= 32`.
      settings: see `Settings`.
      hints: by length, which rows or columns of an earlier matrix were alive.
      levels: the levels to encode, int of that shape; None to decode.

    Raises:
      FormatError: if a row is too long, or the matrix takes more than the budget of the coder.
    """
    rows, columns = shape
    known = levels is not None
    live = None if levels is None else (levels != 0).any(axis=0)
    live = code_chain(coder, 2, columns, period=1, hint=hints.get(columns), symbols=live).astype(
        bool
    )
    width = int(live.sum())
    if width > MAX_WIDTH:
        raise FormatError(f"rows of {width} levels, more than {MAX_WIDTH}")
    tables = _TABLE_MEMORY * max(-bounds[0], bounds[1], 1)
    coder.budget.need(rows * width + CHAIN_MEMORY * (rows + columns) + width * (_MEMORY + tables))
    if levels is not None:
        levels = levels[:, live]
    base, classes = (None, None) if levels is None else _densities(levels, settings)
    base = int(coder.symbols(np.ones(_BASES), 1, base)[0]) - _BASES // 2
    alphabet = CLASSES if settings.densities else 2
    classes = code_chain(
        coder, alphabet, rows, period=settings.period, hint=hints.get(rows), symbols=classes
    )
    if width == 1 and bounds == (0, 1):  # a pattern of a vector: its rows say all
        classes, out = np.zeros(0), (classes > 0).astype(np.int8)[:, None]
    else:
        out = np.zeros((rows, width), np.int8)
    base *= _BASE_UNIT
    alive = np.flatnonzero(classes)
    density = CLASS_UNIT * (classes[alive].astype(np.int64) - 8) * settings.densities
    lags = lags_of(settings.period)
    if coder.rows is not None:
        if levels is not None:
            out = np.ascontiguousarray(levels, np.int8)
        coder.rows(out, alive, density, lags, base, bounds, known=known)
    else:
        model = _Rows(width, bounds, base, lags)
        for i, one in zip(alive, density, strict=True):
            row = None if levels is None else levels[i]
            out[i] = model.code(coder, out, int(i), int(one), row)
    whole = np.zeros(shape, np.int8)
    whole[:, live] = out
    return whole


def lags_of(period: int) -> tuple[int, ...]:
    """Return the distances of the parents of a level."""
    p = period
    return (1, p, p + 1, p - 1, 2) if p > 1 else (1, 2, 3, 4, 5)


def _densities(levels: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return the base and the classes of the rows that fit best."""
    counts = np.count_nonzero(levels, axis=1)
    alive = counts > 0
    mean = counts.sum() / max(1, alive.sum() * levels.shape[1])
    mean = np.clip(mean, 1e-5, 1 - 1e-5)
    base = np.rint(8 * np.log(mean / (1 - mean))) + _BASES // 2
    if not settings.densities:
        return np.array([base]), alive
    relative = np.log2(np.maximum(counts, 1) / (max(1, levels.shape[1]) * mean))
    classes = np.clip(np.rint(1.5 * relative) + 8, 1, CLASSES - 1)
    return np.array([base]), np.where(alive, classes, 0).astype(np.int64)


class _Rows:
    """Holds the models of one matrix: of zeros, signs and magnitudes."""

    def __init__(self, width: int, bounds: tuple[int, int], base: int, lags: tuple[int, ...]):
        self._lags, self._base, self._bounds = lags, base, bounds
        self._largest = max(-bounds[0], bounds[1])
        prior = int(probability(np.array(base)))
        self._columns = np.arange(width)
        self._by_column = Odds(width, prior, 2 * COUNT_UNIT)
        self._by_parents = Odds(32, prior, 2 * COUNT_UNIT)
        self._by_both = Odds(32 * 16, prior, 2 * COUNT_UNIT)
        self._zero = Mixer(ZERO_WEIGHTS)
        self._signs = (Odds(27, HALF, COUNT_UNIT), Odds(width, HALF, 2 * COUNT_UNIT))
        self._sign_sum = Odds(11, HALF, COUNT_UNIT)
        self._sign = Mixer(SIGN_WEIGHTS)
        self._magnitudes: dict[int, _Magnitude] = {}

    def code(
        self, coder: Coder, above: np.ndarray, i: int, density: int, levels: np.ndarray | None
    ) -> np.ndarray:
        parents = np.stack(
            [above[i - lag] if i >= lag else np.zeros_like(above[i]) for lag in self._lags]
        )
        nonzero = self._code_zeros(coder, parents, density, None if levels is None else levels != 0)
        at = np.flatnonzero(nonzero)
        parents = parents[:, at]
        positive = self._code_signs(coder, parents, at, None if levels is None else levels[at] > 0)
        magnitudes = self._code_magnitudes(
            coder, np.abs(parents), at, None if levels is None else np.abs(levels[at])
        )
        out = np.zeros_like(above[i])
        out[at] = np.where(positive, magnitudes, -magnitudes)
        return out

    def _code_zeros(
        self, coder: Coder, parents: np.ndarray, density: int, nonzero: np.ndarray | None
    ) -> np.ndarray:
        parent_bits = ((parents != 0) * (1 << np.arange(5))[:, None]).sum(axis=0)
        by_column = self._by_column.logits(self._columns) - self._base
        bucket = clipped((by_column + UNIT // 4) // (UNIT // 2) + 8, 0, 15)
        both = 32 * bucket + parent_bits
        inputs = np.stack(
            [
                by_column,
                np.full_like(by_column, density),
                self._by_parents.logits(parent_bits) - self._base,
                self._by_both.logits(both) - self._base,
            ]
        ).astype(np.int64)
        nonzero = self._zero.code(coder, inputs, self._base, nonzero)
        self._by_column.learn(self._columns, nonzero)
        self._by_parents.learn(parent_bits, nonzero)
        self._by_both.learn(both, nonzero)
        return nonzero

    def _code_signs(
        self, coder: Coder, parents: np.ndarray, at: np.ndarray, positive: np.ndarray | None
    ) -> np.ndarray:
        low, high = self._bounds
        if low == 0 or high == 0:
            return np.full(len(at), low == 0)
        signs = np.sign(parents).astype(np.int64)
        pattern = 9 * (signs[0] + 1) + 3 * (signs[1] + 1) + signs[3] + 1
        total = signs.sum(axis=0) + 5
        by_pattern, by_column = self._signs
        inputs = np.stack(
            [by_pattern.logits(pattern), by_column.logits(at), self._sign_sum.logits(total)]
        ).astype(np.int64)
        positive = self._sign.code(coder, inputs, 0, positive)
        by_pattern.learn(pattern, positive)
        by_column.learn(at, positive)
        self._sign_sum.learn(total, positive)
        return positive

    def _code_magnitudes(
        self, coder: Coder, parents: np.ndarray, at: np.ndarray, magnitudes: np.ndarray | None
    ) -> np.ndarray:
        out = np.ones(len(at), np.int16)
        left = np.arange(len(at))
        for threshold in range(1, self._largest):
            if not len(left):
                break
            if threshold not in self._magnitudes:
                model = _Magnitude(len(self._columns), threshold, self._largest)
                self._magnitudes[threshold] = model
            model = self._magnitudes[threshold]
            larger = None if magnitudes is None else magnitudes[left] > threshold
            larger = model.code(coder, parents[:, left], at[left], larger)
            left = left[larger]
            out[left] += 1
        return out


class _Magnitude:
    """Models "larger than the threshold", given that a magnitude is not smaller."""

    def __init__(self, width: int, threshold: int, largest: int):
        self._threshold = threshold
        self._overall = Odds(1, HALF, COUNT_UNIT)
        self._by_column = Odds(width, HALF, 2 * COUNT_UNIT)
        self._by_parents = Odds(25, HALF, COUNT_UNIT)
        self._by_sum = Odds(4 * largest + 1, HALF, COUNT_UNIT)
        self._mixer = Mixer(MAGNITUDE_WEIGHTS)

    def code(
        self, coder: Coder, parents: np.ndarray, at: np.ndarray, larger: np.ndarray | None
    ) -> np.ndarray:
        none = np.zeros_like(at)
        near = clipped(parents[:2].astype(np.int64) - self._threshold + 2, 0, 4)
        pair, total = 5 * near[0] + near[1], parents[:4].sum(axis=0, dtype=np.int64)
        tables = (self._overall, self._by_column, self._by_parents, self._by_sum)
        contexts = (none, at, pair, total)
        inputs = np.stack([t.logits(c) for t, c in zip(tables, contexts, strict=True)])
        larger = self._mixer.code(coder, inputs.astype(np.int64), 0, larger)
        for table, context in zip(tables, contexts, strict=True):
            table.learn(context, larger)
        return larger
