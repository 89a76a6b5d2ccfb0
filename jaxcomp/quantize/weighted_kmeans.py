"""Solves k-means of weighted points on a line exactly, by dynamic programming over their order.

The further right the last point is, the further right the runs of an optimal clustering end (the
cost is concave Monge: X. Wu, *Optimal quantization by matrix searching*, 1991). So the best cut of
every second point lies between those of its neighbors, and `k m log m` steps suffice for `m`
points.
"""

import numpy as np


def cluster(weights: np.ndarray, sums: np.ndarray, clusters: int) -> np.ndarray:
    """Return centroids that minimize the weighted sum of squared distances to the nearest.

    Args:
      weights: positive, shape [m].
      sums: weight times place of each point, shape [m]; places ascend.
      clusters: from 1 to m.

    Returns:
      Ascending centroids, shape [clusters].

    Example:
      >>> import numpy as np
      >>> cluster(np.array([1.0, 3.0, 1.0]), np.array([1.0, 6.0, 9.0]), 2).tolist()  # 1, 2, 2, 2, 9
      [1.75, 9.0]
    """
    weight = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])  # of points before i
    moment = np.concatenate([[0.0], np.cumsum(sums, dtype=np.float64)])
    size = weights.size
    # The squared distances of a run are its sum of squares, which is constant, less its gain.
    best = np.full(size + 1, -np.inf)  # gain of the first i points in the runs so far
    best[1:] = moment[1:] ** 2 / weight[1:]
    starts = []  # start of the last run, for each number of points, with 2, 3... runs
    for runs in range(2, clusters + 1):
        best, start = _one_more(best, weight, moment, runs)
        starts.append(start)
    ends = [size]
    for start in reversed(starts):
        ends.append(int(start[ends[-1]]))
    cuts = np.array([0, *reversed(ends)])
    return np.diff(moment[cuts]) / np.diff(weight[cuts])


def _one_more(
    best: np.ndarray, weight: np.ndarray, moment: np.ndarray, runs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return gains with one more run, shape [m + 1], and where that run starts."""
    size = best.size - 1
    ends = np.arange(runs, size + 1)
    gains = np.full(size + 1, -np.inf)
    start = np.zeros(size + 1, np.int32)
    gap = 1 << (ends.size.bit_length() - 1)
    while gap:
        place = np.arange(gap - 1, ends.size, 2 * gap)
        end = ends[place]
        after = place + gap < ends.size
        low = np.where(place >= gap, start[end - gap], runs - 1)
        high = np.minimum(np.where(after, start[np.minimum(end + gap, size)], size), end - 1)
        # All candidates of all ends stand in one long row.
        counts = high - low + 1
        first = np.cumsum(counts) - counts
        cut = np.arange(counts.sum()) + np.repeat(low - first, counts)
        to = np.repeat(end, counts)
        gain = best[cut] + (moment[to] - moment[cut]) ** 2 / (weight[to] - weight[cut])
        gains[end] = np.maximum.reduceat(gain, first)
        winners = np.flatnonzero(gain == np.repeat(gains[end], counts))
        start[to[winners]] = cut[winners]  # any of several will do
        gap //= 2
    return gains, start
