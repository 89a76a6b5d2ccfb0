"""The formulas of the gradient and the Hessian, exactly, for two, three and four entries."""

import pytest
import sympy as sp

SIZES = [2, 3, 4]


def loss_and_symbols(n):
    """L on the orthant of some signs, which stand for all by symmetry, and its ingredients."""
    w = sp.symbols(f"w1:{n + 1}", positive=True)
    signs = [(-1) ** i for i in range(n)]
    entries = [s * x for s, x in zip(signs, w, strict=True)]
    a = sum(w)  # ||w||_1, the sum of the magnitudes
    r = sp.sqrt(sum(x**2 for x in w))
    return sp.Matrix(entries), sp.Matrix(signs), w, a, r


@pytest.mark.parametrize("n", SIZES)
def test_gradient(n):
    entries, signs, w, a, r = loss_and_symbols(n)
    for i in range(n):
        exact = sp.diff(a / r, w[i]) / signs[i]  # by the entry, not its magnitude
        formula = signs[i] / r - a * entries[i] / r**3
        assert sp.simplify(exact - formula) == 0


@pytest.mark.parametrize("n", SIZES)
def test_hessian(n):
    entries, s, w, a, r = loss_and_symbols(n)
    formula = (
        -(s * entries.T + entries * s.T) / r**3
        - a * sp.eye(n) / r**3
        + 3 * a * entries * entries.T / r**5
    )
    for i in range(n):
        for j in range(i, n):
            exact = sp.diff(a / r, w[i], w[j]) / (s[i] * s[j])
            assert sp.simplify(exact - formula[i, j]) == 0


@pytest.mark.parametrize("n", SIZES)
def test_at_a_ternary_vector(n):
    _, _, w, a, r = loss_and_symbols(n)
    c = sp.symbols("c", positive=True)
    ternary = dict.fromkeys(w, c)
    assert sp.simplify((a / r).subs(ternary) - sp.sqrt(n)) == 0
    assert sp.simplify((r**2 / a).subs(ternary) - c) == 0
    hessian = sp.hessian(a / r, w).subs(ternary)  # in the magnitudes: s_i s_j times that in w
    expected = (sp.ones(n, n) - n * sp.eye(n)) / (c**2 * sp.sqrt(n) ** 3)
    assert sp.simplify(hessian - expected) == sp.zeros(n, n)
    # Eigenvalues: 0 once, along the scale, and -1 / (c^2 sqrt(n)) n - 1 times.
    assert expected.eigenvals() == {sp.Integer(0): 1, -1 / (c**2 * sp.sqrt(n)): n - 1}
