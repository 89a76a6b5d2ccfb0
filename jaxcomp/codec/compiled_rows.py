"""Codes rows like `adaptive`, with loops that numba compiles: the same symbols."""

import numpy as np

from jaxcomp.codec.adaptive import HALF, MAGNITUDE_WEIGHTS, SIGN_WEIGHTS, ZERO_WEIGHTS
from jaxcomp.codec.coder import INVALID
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import Budget
from jaxcomp.codec.logistic import (
    COUNT_UNIT,
    FIRST_CURVATURE,
    LOG,
    PROBABILITY,
    mixer_weights,
    prior_counts,
    probability,
)
from jaxcomp.codec.row_kernels import code_rows

_TOGETHER = 64  # work is counted after so many rows


def compiled_rows(
    words: np.ndarray,
    state: np.ndarray,
    budget: Budget,
    out: np.ndarray,
    rows: np.ndarray,
    densities: np.ndarray,
    lags: tuple[int, ...],
    base: int,
    bounds: tuple[int, int],
    *,
    known: bool,
) -> None:
    """Code some rows of a matrix.

    Args:
      words, state: of the range coder; an encoder's words must have room for all rows.
      budget: counts the work.
      out: int8 of shape [rows, columns]; read if the matrix is `known`, else written.
      rows: numbers of the rows to code.
      densities: log-odds of these rows.
      lags: distances of the parents.
      base: log-odds of the mean density.
      bounds: smallest and largest possible level.
      known: whether to encode, rather than decode.

    Raises:
      FormatError: if the code is not that of any rows, or they take more than the budget.
    """
    width, (low, high) = out.shape[1], bounds
    more = max(max(-low, high) - 1, 0)  # the magnitudes that another can exceed

    def counts(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.int32)

    tables = (
        LOG,  # an argument, since compiled code with large tables in it cannot be kept on disk
        PROBABILITY,
        np.array(
            [
                prior_counts(int(probability(np.array(base))), 2 * COUNT_UNIT),
                prior_counts(HALF, COUNT_UNIT),
                prior_counts(HALF, 2 * COUNT_UNIT),
            ]
        ),
        *(counts(2, contexts) for contexts in (width, 32, 32 * 16)),
        *(counts(2, contexts) for contexts in (27, width, 11)),
        *(counts(more, 2, contexts) for contexts in (1, width, 25, 4 * max(-low, high) + 1)),
    )
    mixers = (
        *((mixer_weights(w), _curvatures(len(w))) for w in (ZERO_WEIGHTS, SIGN_WEIGHTS)),
        np.tile(mixer_weights(MAGNITUDE_WEIGHTS), (more, 1)),
        _curvatures(more, len(MAGNITUDE_WEIGHTS)),
    )
    room = (
        np.empty((4, width), np.int64),
        np.empty((4, width), np.int64),
        np.empty(width, bool),
        np.empty(width, np.int32),
        np.empty(width, np.int64),
        np.empty(width, np.int64),
    )
    for start in range(0, len(rows), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        work = code_rows(
            (not known, words, state),
            rows[some],
            densities[some],
            out,
            lags,
            base,
            low,
            high,
            tables,
            mixers,
            room,
        )
        if work < 0:
            raise FormatError(INVALID)
        budget.work(work)


def _curvatures(*shape: int) -> np.ndarray:
    return np.full(shape, FIRST_CURVATURE, np.int64)
