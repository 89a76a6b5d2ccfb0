"""Predicts bits by logistic mixing, with integers only.

Log-odds are integers in units of 1/4096 nat. Only the two tables below come from real functions.
Their values are far from where rounding could go either way (the tests measure how far), so writer
and reader compute the same integers on any machine.
"""

import numpy as np

from jaxcomp.codec.coder import PRECISION, Coder

UNIT = 4096  # one nat
CEILING = 12 * UNIT  # the largest log-odds
COARSE = 16  # units of log-odds for each entry of the table of probabilities
COUNT_UNIT = 64  # an observation is so many of the units of prior counts

LIMIT = 4000  # observations after which earlier ones count half
HEAVIEST = 8 << 16  # the largest weight of an input of a mixer, in units of 1/65536

FIRST_CURVATURE = 20 << PRECISION  # the first curvature of a mixer
MOST_CURVED = 2**62 - 1  # arithmetic of 64 bits is exact up to here

# Nanoseconds of work for a row of bits, and for each bit with its contexts.
ROW_WORK, BIT_WORK = 140_000, 330
_ONE = np.int32(1)  # an integer of Python's makes `add.at` slow


def _table_of_logarithms() -> np.ndarray:
    x = np.arange(1, COUNT_UNIT * (LIMIT + 8), dtype=np.float64)
    return np.concatenate([[0], np.rint(UNIT * np.log(x))]).astype(np.int32)


def _table_of_probabilities() -> np.ndarray:
    x = np.arange(-CEILING, CEILING + 1, COARSE) / UNIT
    return np.rint((1 << PRECISION) / (1 + np.exp(-x))).astype(np.int32)


LOG = _table_of_logarithms()
PROBABILITY = _table_of_probabilities()


def clipped(x: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return what `np.clip` does, several times faster on the short arrays that are coded here."""
    return np.minimum(np.maximum(x, low), high)


def probability(logit: np.ndarray) -> np.ndarray:
    """Return `2^24 / (1 + exp(-logit / 4096))`, rounded, for log-odds cut to +-12 nats."""
    return PROBABILITY.take((clipped(logit, -CEILING, CEILING) + CEILING) // COARSE)


def prior_counts(prior: int, strength: int) -> tuple[int, int]:
    """Return the first counts of zeros and ones, given `2^24 p` and `64 s`: see `Odds`."""
    ones = min(max(strength * prior >> PRECISION, 1), strength - 1)
    return strength - ones, ones


def mixer_weights(weights: tuple[float, ...]) -> np.ndarray:
    """Return weights in units of 1/65536."""
    return np.array([round(weight * 65536) for weight in weights], np.int64)


class Odds:
    """Predicts a bit in each of several contexts, from the bits seen there.

    With `n1` ones and `n0` zeros seen, the log-odds are `log((n1 + s p) / (n0 + s (1 - p)))`: the
    posterior mean under a Beta prior of mean `p` and strength `s` observations.
    """

    def __init__(self, contexts: int, prior: int, strength: int) -> None:
        """Set the prior: `prior` is `2^24 p`, a probability; `strength` is `64 s`, at least 2."""
        self._seen = np.zeros((2, contexts), np.int32)
        self._most = 0  # no count is larger
        self._prior = prior_counts(prior, strength)

    def logits(self, context: np.ndarray) -> np.ndarray:
        """Return the log-odds in each of the contexts, shape [n]."""
        # `take` costs a third of indexing.
        seen, (zeros, ones) = COUNT_UNIT * self._seen.take(context, axis=1), self._prior
        return LOG.take(seen[1] + ones) - LOG.take(seen[0] + zeros)

    def learn(self, context: np.ndarray, bits: np.ndarray) -> None:
        """Count bits, shape [n], that were seen in their contexts, shape [n]."""
        # `bincount` visits all contexts, of which there can be many more than bits.
        size = self._seen.shape[1]
        np.add.at(self._seen.reshape(-1), context + size * bits, _ONE)
        self._most += len(bits)
        if self._most > LIMIT:
            while self._seen.max() > LIMIT:
                self._seen[:, (self._seen > LIMIT).any(axis=0)] >>= 1
            self._most = int(self._seen.max())


class Mixer:
    """Mixes log-odds by weights that follow the data with a diagonal Newton step."""

    def __init__(self, weights: tuple[float, ...]) -> None:
        """Start with these weights, multiples of 1/65536."""
        self._weights = mixer_weights(weights)
        self._curvature = [FIRST_CURVATURE] * len(weights)  # Python's integers cannot overflow

    def code(
        self, coder: Coder, inputs: np.ndarray, base: int, bits: np.ndarray | None
    ) -> np.ndarray:
        """Code bits, shape [n], whose log-odds are `base + weights @ inputs`; inputs [k, n]."""
        coder.budget.work(ROW_WORK + BIT_WORK * inputs.shape[1])
        if inputs.shape[1] == 0:
            return coder.bits(np.zeros(0, np.int32), bits)
        ones = probability(base + (self._weights @ inputs >> 16))
        bits = coder.bits(ones, bits)
        # These are d/dw and d2/dw2 of the code length, in units of 2^36.
        error = (bits.astype(np.int64) << PRECISION) - ones
        slope = inputs @ error
        variance = (ones.astype(np.int64) >> 12) * (((1 << PRECISION) - ones) >> 12)
        bend = (inputs * inputs) @ (variance >> 12) >> 12
        for k in range(len(self._weights)):
            self._curvature[k] = min(self._curvature[k] + int(bend[k]), MOST_CURVED)
            step = (int(slope[k]) << 16) // (self._curvature[k] << 12)
            self._weights[k] = max(-HEAVIEST, min(HEAVIEST, int(self._weights[k]) + step))
        return bits
