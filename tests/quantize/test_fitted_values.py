"""Values that fit to levels, and what levels stand for."""

import numpy as np

from jaxcomp.quantize.factors import factorize
from jaxcomp.quantize.fitted_values import fit_values
from jaxcomp.quantize.reproduction import Codebook, Multiples
from jaxcomp.quantize.second_order import round_matrices


def test_no_other_values_are_nearer():
    rng = np.random.default_rng(0)
    w, sensitivities = rng.normal(size=(2, 12, 5)), rng.uniform(0.1, 2, size=(2, 5))
    x = rng.normal(size=(2, 40, 12)) @ rng.normal(size=(12, 12))
    second = np.einsum("mri,mrj->mij", x, x)
    levels = np.clip(np.rint(w), -1, 1)
    parts = [levels == -1, levels == 1]
    fitted = fit_values(w, parts, factorize(second), factorize(sensitivities))

    def error(values):
        off = w - values[0] * parts[0] - values[1] * parts[1]
        return np.einsum("mij,mio,mjo,mo->", second, off, off, sensitivities)

    least = error(fitted)
    for change in 0.01 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1]]):
        assert least < error(fitted + change)


def test_a_part_that_does_nothing_is_zero():
    w, factor = np.ones((1, 3, 2)), factorize(np.eye(3)[None])
    fitted = fit_values(
        w, [np.ones((1, 3, 2)), np.zeros((1, 3, 2))], factor, factorize(np.ones((1, 2)))
    )
    np.testing.assert_allclose(fitted, [1, 0], atol=1e-12)


def test_a_codebook_is_searched_for_the_nearest_entry():
    book = Codebook(np.array([-3.0, -0.5, 0.0, 1.0, 4.0]))
    x = np.random.default_rng(1).uniform(-6, 6, 500)
    nearest = np.abs(x[:, None] - book.entries).argmin(axis=1)
    np.testing.assert_array_equal(book.values(book.nearest(x)), book.entries[nearest])
    assert book.nearest(np.zeros(1)) == 0
    np.testing.assert_array_equal(Multiples(2).nearest(np.array([-9, 0.4, 1.6])), [-2, 0, 2])


def test_a_codebook_of_multiples_is_rounded_to_as_multiples_are():
    rng = np.random.default_rng(2)
    w = rng.normal(size=(1, 40, 20))
    x = rng.normal(size=(100, 40)) @ rng.normal(size=(40, 40))
    factors = factorize((x.T @ x / 100)[None]), factorize(rng.uniform(0.1, 2, size=(1, 20)))
    zeros = np.zeros(w.shape, bool)
    one, other = (
        round_matrices(w, *factors, 0.25, 0.1, zeros=zeros, reproduction=what)
        for what in (Multiples(3), Codebook(np.arange(-3.0, 4.0)))
    )
    np.testing.assert_array_equal(one.levels, other.levels)
    assert one.cost(0.1) == other.cost(0.1)
