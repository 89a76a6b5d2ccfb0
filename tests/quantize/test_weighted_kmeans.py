"""Weighted k-means: the same as plain k-means of points that are repeated, and optimal."""

import importlib

import kmeans1d
import numpy as np
import pytest

from jaxcomp.quantize import weighted_kmeans
from jaxcomp.quantize.codebook import fit_codebook, nearest

codebook = importlib.import_module(fit_codebook.__module__)  # a function has the same name


def error(points, centroids):
    return np.min((points[:, None] - centroids) ** 2, axis=1).sum()


@pytest.mark.parametrize("seed", range(20))
def test_it_is_k_means_of_repeated_points(seed):
    rng = np.random.default_rng(seed)
    points = np.sort(rng.standard_t(2, size=rng.integers(4, 80)))
    weights = rng.integers(1, 6, points.size)
    repeated = np.repeat(points, weights)
    for clusters in (1, 2, 3, 4):
        centroids = weighted_kmeans.cluster(weights, weights * points, clusters)
        assert (np.diff(centroids) > 0).all()
        best = error(repeated, np.array(kmeans1d.cluster(repeated, clusters)[1]))
        np.testing.assert_allclose(error(repeated, centroids), best, rtol=1e-9)


@pytest.mark.parametrize("draw", ["normal", "laplace", "standard_t"])
def test_codebooks_of_many_weights_are_within_a_thousandth_of_the_best(draw, monkeypatch):
    # A quarter of the weights, and of the bins: the search for the best one takes long.
    monkeypatch.setattr(codebook, "EXACT", codebook.EXACT // 4)
    monkeypatch.setattr(codebook, "_BINS", codebook._BINS // 4)
    rng = np.random.default_rng(0)
    size = 2 * codebook.EXACT
    w = (rng.standard_t(3, size) if draw == "standard_t" else getattr(rng, draw)(size=size)).astype(
        np.float32
    )
    exact = w.astype(np.float64)
    for levels in (4, 16):
        centroids = np.array(kmeans1d.cluster(exact, levels)[1])
        best = np.sum((nearest(exact, centroids).values() - exact) ** 2)
        ours = np.sum((nearest(w, fit_codebook(w, levels)).values() - exact) ** 2)
        assert ours < 1.001 * best
