"""Holds the loops of `adaptive` for numba; `logistic` and `adaptive` have the mathematics."""

import numpy as np
from numba import njit

from jaxcomp.codec.coder import PRECISION
from jaxcomp.codec.logistic import (
    BIT_WORK,
    CEILING,
    COARSE,
    COUNT_UNIT,
    HEAVIEST,
    LIMIT,
    MOST_CURVED,
    ROW_WORK,
    UNIT,
)
from jaxcomp.codec.range_kernels import decode_bits, encode_bits

_ALL = 1 << PRECISION


@njit(cache=True, nogil=True)
def _logit(log, seen, context, prior):
    return (
        log[COUNT_UNIT * seen[1, context] + prior[1]]
        - (log[COUNT_UNIT * seen[0, context] + prior[0]])
    )


@njit(cache=True, nogil=True)
def _learn(seen, contexts, bits, count):
    for j in range(count):
        seen[1 if bits[j] else 0, contexts[j]] += 1
    for j in range(count):
        context = contexts[j]
        while seen[0, context] > LIMIT or seen[1, context] > LIMIT:
            seen[0, context] >>= 1
            seen[1, context] >>= 1


@njit(cache=True, nogil=True)
def _code_bits(coder, room, count, base, mixer, tables, probability):
    """Code bits by the mixed odds of some inputs; the mixer and the tables learn from them.

    Args:
      coder: whether it decodes, and the words and the state of the range coder.
      room: inputs, contexts, bits, and space for their probabilities.
      count: number of bits.
      base: log-odds added to those of the mixer.
      mixer: weights and curvatures of the inputs.
      tables: counts of each of the contexts.
      probability: the table of probabilities.

    Returns whether the code is that of any bits.
    """
    inputs, contexts, bits, ones = room
    decoding, words, state = coder
    weights, curvatures = mixer
    kinds = weights.size
    for j in range(count):
        total = 0
        for k in range(kinds):
            total += weights[k] * inputs[k, j]
        logit = min(max(base + (total >> 16), -CEILING), CEILING)
        ones[j] = probability[(logit + CEILING) // COARSE]
    if decoding:
        if not decode_bits(bits[:count], ones[:count], words, state):
            return False
    else:
        encode_bits(bits[:count], ones[:count], words, state)
    for k in range(kinds if count else 0):
        slope = bend = 0
        for j in range(count):
            x, one = inputs[k, j], np.int64(ones[j])
            slope += x * ((_ALL if bits[j] else 0) - one)
            bend += x * x * (((one >> 12) * ((_ALL - one) >> 12)) >> 12)
        curvatures[k] = min(curvatures[k] + (bend >> 12), MOST_CURVED)
        # The quotient 16 slope / curvature is rounded down, in 64 bits.
        step = slope // curvatures[k]
        rest = slope - step * curvatures[k]
        for _ in range(4):
            rest *= 2
            step *= 2
            if rest >= curvatures[k]:
                rest -= curvatures[k]
                step += 1
        weights[k] = min(max(weights[k] + step, -HEAVIEST), HEAVIEST)
    for k in range(len(tables)):
        _learn(tables[k], contexts[k], bits, count)
    return True


@njit(cache=True, nogil=True)
def code_rows(coder, rows, densities, out, lags, base, low, high, tables, mixers, room):
    """Code some rows of a matrix; return the work, or -1 if the code is not that of any rows.

    Args:
      coder: whether it decodes into `out`, and the words and the state of the range coder.
      rows: numbers of the rows.
      densities: log-odds of each row.
      out: the matrix.
      lags: distances of the parents.
      base: log-odds of the mean density.
      low, high: bounds of the levels.
      tables: counts, in a tuple (see `compiled_rows`).
      mixers: weights and curvatures of each.
      room: space for the inputs, contexts, bits, probabilities, places and magnitudes of a row.
    """
    (
        log,
        probability,
        priors,
        zero_column,
        zero_parents,
        zero_both,
        sign_pattern,
        sign_column,
        sign_sum,
        size_overall,
        size_column,
        size_parents,
        size_sum,
    ) = tables
    zero_mixer, sign_mixer, size_weights, size_curves = mixers
    inputs, contexts, bits, ones, at, magnitudes = room
    of_bits = inputs, contexts, bits, ones
    zero_tables = zero_column, zero_parents, zero_both
    sign_tables = sign_pattern, sign_column, sign_sum
    decoding = coder[0]
    width, largest = out.shape[1], max(-low, high)
    work = 0
    for number in range(rows.size):
        i = rows[number]
        density = densities[number]
        for j in range(width):
            pattern = 0
            for k in range(5):
                if i >= lags[k] and out[i - lags[k], j] != 0:
                    pattern += 1 << k
            column = _logit(log, zero_column, j, priors[0]) - base
            bucket = min(max((column + UNIT // 4) // (UNIT // 2) + 8, 0), 15)
            contexts[0, j] = j
            contexts[1, j] = pattern
            contexts[2, j] = 32 * bucket + pattern
            inputs[0, j] = column
            inputs[1, j] = density
            inputs[2, j] = _logit(log, zero_parents, pattern, priors[0]) - base
            inputs[3, j] = _logit(log, zero_both, contexts[2, j], priors[0]) - base
            bits[j] = out[i, j] != 0
        work += ROW_WORK + BIT_WORK * width
        if not _code_bits(coder, of_bits, width, base, zero_mixer, zero_tables, probability):
            return -1
        count = 0
        for j in range(width):
            if bits[j]:
                at[count] = j
                count += 1
            elif decoding:
                out[i, j] = 0

        if low != 0 and high != 0:
            for j in range(count):
                total, pattern = 5, 0
                for k in range(5):
                    parent = out[i - lags[k], at[j]] if i >= lags[k] else 0
                    sign = (parent > 0) - (parent < 0)
                    total += sign
                    if k == 0:
                        pattern += 9 * (sign + 1)
                    elif k == 1:
                        pattern += 3 * (sign + 1)
                    elif k == 3:
                        pattern += sign + 1
                contexts[0, j] = pattern
                contexts[1, j] = at[j]
                contexts[2, j] = total
                inputs[0, j] = _logit(log, sign_pattern, pattern, priors[1])
                inputs[1, j] = _logit(log, sign_column, at[j], priors[2])
                inputs[2, j] = _logit(log, sign_sum, total, priors[1])
                bits[j] = out[i, at[j]] > 0
            work += ROW_WORK + BIT_WORK * count
            if not _code_bits(coder, of_bits, count, 0, sign_mixer, sign_tables, probability):
                return -1
            if decoding:
                for j in range(count):
                    out[i, at[j]] = 1 if bits[j] else -1
        elif decoding:
            for j in range(count):
                out[i, at[j]] = 1 if low == 0 else -1

        for j in range(count):
            magnitudes[j] = abs(np.int64(out[i, at[j]]))
        left = count
        for threshold in range(1, largest):
            if left == 0:
                break
            overall, by_column = size_overall[threshold - 1], size_column[threshold - 1]
            by_parents, by_sum = size_parents[threshold - 1], size_sum[threshold - 1]
            for j in range(left):
                pair, total = 0, 0
                for k in range(4):
                    parent = abs(np.int64(out[i - lags[k], at[j]])) if i >= lags[k] else 0
                    total += parent
                    if k < 2:
                        pair = 5 * pair + min(max(parent - threshold + 2, 0), 4)
                contexts[0, j] = 0
                contexts[1, j] = at[j]
                contexts[2, j] = pair
                contexts[3, j] = total
                inputs[0, j] = _logit(log, overall, 0, priors[1])
                inputs[1, j] = _logit(log, by_column, at[j], priors[2])
                inputs[2, j] = _logit(log, by_parents, pair, priors[1])
                inputs[3, j] = _logit(log, by_sum, total, priors[1])
                bits[j] = magnitudes[j] > threshold
            work += ROW_WORK + BIT_WORK * left
            size_mixer = size_weights[threshold - 1], size_curves[threshold - 1]
            size_tables = overall, by_column, by_parents, by_sum
            if not _code_bits(coder, of_bits, left, 0, size_mixer, size_tables, probability):
                return -1
            still = 0
            for j in range(left):
                if bits[j]:
                    at[still] = at[j]
                    magnitudes[still] = magnitudes[j]
                    still += 1
                    if decoding:
                        out[i, at[still - 1]] += 1 if out[i, at[still - 1]] > 0 else -1
            left = still
    return work
