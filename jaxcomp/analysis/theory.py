r"""States the theorem of the compressibility loss as residuals in float64, statement by statement.

Notation: :math:`L(w) = a / r` with :math:`a = \|w\|_1` and :math:`r = \|w\|_2`; the support `S` of
`w`, its size `k`, and the signs `s`; the ternary level :math:`c = r^2 / a`.

Every function takes an array of any shape, as one vector with at least one non-zero, and returns a
scalar: how far the statement is from holding there. Its units make the statement independent of the
scale of `w`. Derivatives of the loss come from automatic differentiation, finite differences or a
linear-algebra routine, never from the formula that is checked. All functions can be compiled, and
batched with `vmap`.

Sources: the theorem (a critical point is ternary, and there :math:`L = \sqrt{k}`) is that of
Aytekin, Cricri, Aksu, arXiv 1905.01044. This project derived the converse in Clarke's sense, the
Hessian, the slopes and the composite condition.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcomp.losses import compressibility

Residual = Callable[[ArrayLike], jax.Array]
Options = ParamSpec("Options")
Result = TypeVar("Result")


def in_float64(
    function: Callable[Concatenate[jax.Array, Options], Result],
) -> Callable[Concatenate[ArrayLike, Options], Result]:
    """Run `function(w, ...)` in 64 bits, with `w` as one float64 vector."""

    @wraps(function)
    def wrapped(w: ArrayLike, *args: Options.args, **kwargs: Options.kwargs) -> Result:
        with jax.enable_x64(True):
            return function(jnp.asarray(w, jnp.float64).ravel(), *args, **kwargs)

    return wrapped


def norms(w: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return `a`, `r` and `c` of a vector, by their definitions."""
    a, r = jnp.sum(jnp.abs(w)), jnp.sqrt(jnp.sum(w * w))
    return a, r, r * r / a


def count(w: jax.Array) -> jax.Array:
    """Return the number `k` of non-zeros, as a float."""
    return jnp.sum(w != 0).astype(w.dtype)


def gradient_formula(w: jax.Array) -> jax.Array:
    r"""Return the closed form of the gradient, :math:`s_i / r - a w_i / r^3`; 0 off the support."""
    a, r, _ = norms(w)
    return jnp.sign(w) / r - a * w / r**3


def hessian_formula(w: jax.Array) -> jax.Array:
    r"""Return the closed form of the Hessian on the support, [n, n].

    It is :math:`-(s w^T + w s^T) / r^3 - a I / r^3 + 3 a w w^T / r^5`. Rows and columns off the
    support mean nothing.
    """
    a, r, _ = norms(w)
    s = jnp.sign(w)
    cross, outer = jnp.outer(s, w), jnp.outer(w, w)
    return -(cross + cross.T) / r**3 - a * jnp.eye(w.size) / r**3 + 3 * a * outer / r**5


def ternary_like(w: jax.Array) -> jax.Array:
    """Return the ternary vector with the support, the signs and the level of `w`."""
    return norms(w)[2] * jnp.sign(w)


@in_float64
def bounds(w: jax.Array) -> jax.Array:
    r"""Return by how much :math:`1 \le L(w) \le \sqrt{k}` is violated."""
    value = compressibility(w)
    return jnp.maximum(jnp.maximum(1 - value, value - jnp.sqrt(count(w))), 0)


@in_float64
def scale_freedom(w: jax.Array) -> jax.Array:
    r"""Return the largest :math:`|L(t w) - L(w)|` over three factors :math:`t \ne 0`."""
    values = [compressibility(t * w) for t in (1e-9, -0.7, 12345.0)]
    return jnp.max(jnp.abs(jnp.stack(values) - compressibility(w)))


@in_float64
def radial_derivative(w: jax.Array) -> jax.Array:
    r"""Return :math:`|\langle \nabla L(w), w \rangle|`, which is 0 since `L` is scale-free."""
    return jnp.abs(jnp.vdot(jax.grad(compressibility)(w), w))


@in_float64
def gradient_by_autodiff(w: jax.Array) -> jax.Array:
    """Return how far automatic differentiation is from the closed form, in units of `1 / r`."""
    return norms(w)[1] * jnp.max(jnp.abs(jax.grad(compressibility)(w) - gradient_formula(w)))


@in_float64
def gradient_by_differences(w: jax.Array) -> jax.Array:
    """Return how far central differences are from the closed form, in units of `1 / r`.

    On the support, they are of fourth order, with steps of a 500th of each entry, so that none
    crosses zero.
    """
    step = jnp.abs(w) / 500

    def shifted(times: float) -> jax.Array:
        return jax.vmap(lambda e: compressibility(w + times * e))(jnp.diag(step))  # [n]

    difference = 8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))
    slopes = difference / jnp.where(w == 0, 1, 12 * step)
    error = jnp.where(w == 0, 0, slopes - gradient_formula(w))
    return norms(w)[1] * jnp.max(jnp.abs(error))


@in_float64
def gradient_at_zeros(w: jax.Array) -> jax.Array:
    """Return the largest derivative at exact zeros of `w`: 0, so that pruned weights stay."""
    return jnp.max(jnp.where(w == 0, jnp.abs(jax.grad(compressibility)(w)), 0))


@in_float64
def slopes_off_support(w: jax.Array) -> jax.Array:
    r"""Return how far the slopes on leaving zero are from :math:`+1/r`, in units of `1 / r`.

    Leaving zero costs :math:`1/r` in both directions. So off the support Clarke's subdifferential
    is :math:`[-1/r, 1/r]`, and always contains 0. The slopes are one-sided differences,
    extrapolated to a step of zero.
    """
    _, r, _ = norms(w)

    def slopes(step: jax.Array) -> jax.Array:
        moved = jax.vmap(lambda e: compressibility(w + step * e))(jnp.eye(w.size))  # [n]
        return (moved - compressibility(w)) / jnp.abs(step)

    step = 1e-4 * r
    errors = [
        jnp.where(w == 0, r * (2 * slopes(side * step / 2) - slopes(side * step)) - 1, 0)
        for side in (1, -1)
    ]
    return jnp.max(jnp.abs(jnp.stack(errors)))


@in_float64
def distance_to_stationarity(w: jax.Array) -> jax.Array:
    r"""Return the distance of 0 from Clarke's subdifferential, by largest coordinate, times `r`.

    On the support the subdifferential is the gradient; off it, it contains 0.
    """
    return norms(w)[1] * jnp.max(jnp.abs(jnp.where(w == 0, 0, jax.grad(compressibility)(w))))


@in_float64
def distance_to_level(w: jax.Array) -> jax.Array:
    r"""Return max :math:`|1 - |w_i| / c|` on the support: 0 if and only if `w` is ternary."""
    return jnp.max(jnp.where(w == 0, 0, jnp.abs(1 - jnp.abs(w) / norms(w)[2])))


@in_float64
def stationary_iff_ternary(w: jax.Array) -> jax.Array:
    """Return how far the distance to stationarity is from the distance to the level.

    By the theorem they are equal at every `w`, and zero together: a critical point is ternary, and
    a ternary point is critical.
    """
    return jnp.abs(distance_to_stationarity(w) - distance_to_level(w))


@in_float64
def ternary_is_stationary(w: jax.Array) -> jax.Array:
    """Return the distance to stationarity at the ternary vector of `w`'s signs: 0."""
    return distance_to_stationarity(ternary_like(w))


@in_float64
def value_at_ternary(w: jax.Array) -> jax.Array:
    r"""Return :math:`|L - \sqrt{k}|` at the ternary vector of `w`'s signs: 0."""
    return jnp.abs(compressibility(ternary_like(w)) - jnp.sqrt(count(w)))


@in_float64
def hessian_by_autodiff(w: jax.Array) -> jax.Array:
    """Return how far automatic differentiation is from the closed form of the Hessian.

    The comparison is on the support, in units of the largest entry of the closed form there.
    """
    on = jnp.outer(w != 0, w != 0)
    formula = jnp.where(on, hessian_formula(w), 0)
    error = jnp.where(on, jax.hessian(compressibility)(w) - formula, 0)
    return jnp.max(jnp.abs(error)) / jnp.maximum(jnp.max(jnp.abs(formula)), norms(w)[1] ** -2)


@in_float64
def hessian_at_ternary(w: jax.Array) -> jax.Array:
    r"""Return how far the Hessian at a ternary vector is from its closed form.

    On the support, that is :math:`(s s^T - k I) / (c^2 k^{3/2})`.
    """
    q, k = ternary_like(w), count(w)
    s, c = jnp.sign(q), norms(q)[2]
    expected = (jnp.outer(s, s) - k * jnp.eye(q.size)) / k  # in units of 1 / (c^2 sqrt(k))
    error = c**2 * jnp.sqrt(k) * jax.hessian(compressibility)(q) - expected
    return jnp.max(jnp.abs(jnp.where(jnp.outer(q != 0, q != 0), error, 0)))


@in_float64
def hessian_spectrum_at_ternary(w: jax.Array) -> jax.Array:
    r"""Return how far the spectrum of the Hessian at a ternary vector is from the theorem's.

    It is 0 once, and :math:`-1/(c^2 \sqrt{k})` `k - 1` times.

    So for `k >= 2` it is a strict maximum inside its support, up to scale: a saddle.
    """
    q, k = ternary_like(w), count(w)
    on = q != 0
    hessian = norms(q)[2] ** 2 * jnp.sqrt(k) * jax.hessian(compressibility)(q)
    # Coordinates off the support get the eigenvalue 1, to sort behind the others.
    eigenvalues = jnp.linalg.eigvalsh(
        jnp.where(jnp.outer(on, on), hessian, jnp.diag(jnp.ones_like(q)))
    )
    place = jnp.arange(q.size, dtype=q.dtype)
    expected = jnp.where(place < k - 1, -1.0, jnp.where(place < k, 0.0, 1.0))
    return jnp.max(jnp.abs(eigenvalues - expected))


@in_float64
def composite_identity(
    w: jax.Array, data_term: Callable[[jax.Array], jax.Array], strength: float
) -> jax.Array:
    r"""Return how far the gradient of :math:`F = f + \lambda L` is from its form on the support.

    The form is
    :math:`(r / \lambda) s_i \partial_i F = 1 - |w_i| / c + (r / \lambda) s_i \partial_i f`, so that
    a stationary point of `F` has :math:`|w_i| / c = 1 + (r / \lambda) s_i \partial_i f`.

    Args:
      w: array of any shape.
      data_term: smooth function `f` of a vector.
      strength: :math:`\lambda > 0`, the strength of the loss.
    """
    _, r, c = norms(w)
    outward = jnp.sign(w) * r / strength
    whole = jax.grad(lambda w: data_term(w) + strength * compressibility(w))(w)
    expected = 1 - jnp.abs(w) / c + outward * jax.grad(data_term)(w)
    return jnp.max(jnp.where(w == 0, 0, jnp.abs(outward * whole - expected)))
