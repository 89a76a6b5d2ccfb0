"""Controls the strength of a penalty so that a measure of the network reaches a target."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcomp.arguments import check_choice, check_number
from jaxcomp.losses.ratio import level_of
from jaxcomp.transforms.updates import (
    check_params,
    check_transformation,
    step_after,
    transformation,
)
from jaxcomp.trees import Mask, PyTree, select

_CUT = 2.0  # the greatest magnitude of the error
# Measures are smoothed: the loss is noisy, and a prox reacts to its strength at once.
_SMOOTHING = 0.99


class ControlWeightState(NamedTuple):
    """Holds the state of `control_weight`: the strength, and the measure behind it."""

    control_weight: jax.Array  # shape=(), dtype=float32: the strength at the last update
    measured: jax.Array  # shape=(), dtype=float32: the measure at the last update
    smoothed: jax.Array  # shape=(), dtype=float32: its moving average
    error: jax.Array  # shape=(), dtype=float32: log(smoothed / target), within -2 and 2
    # The number of updates made, shape=(), dtype=int32. It hides `tuple.count`.
    count: jax.Array  # type: ignore[assignment]
    controlled: optax.OptState


def live_weights(params: PyTree, *, threshold: float = 0.1, mask: Mask | None = None) -> jax.Array:
    r"""Count the weights that are not zero, or not nearly: :math:`|w_i| > \tau c`, as a float32.

    In training, weights come close to zero and move about it. The ternary level
    :math:`c = \|w\|_2^2 / \|w\|_1` over all of them is the natural unit of closeness.

    Args:
      params: tree of arrays.
      threshold: :math:`\tau`, as a fraction of `c`; 0 for exact zeros, which a prox makes.
      mask: which leaves count (see `jaxcomp.compressibility_tree`).

    Example:
      >>> import jax.numpy as jnp
      >>> float(live_weights({"kernel": jnp.array([[3.0, 0.01], [-4.0, 0.0]])}))
      2.0
    """
    arrays = select(params, mask)
    bound = threshold * level_of(arrays)
    live = (jnp.abs(w.astype(bound.dtype)) > bound for w in arrays)
    return jnp.asarray(sum(jnp.sum(one, dtype=jnp.float32) for one in live))


def entropy_bytes(params: PyTree, *, threshold: float = 0.1, mask: Mask | None = None) -> jax.Array:
    """Return the bytes of a ternary network by the entropy bound, as a float32.

    It is :math:`(n H(k / n) + k) / 8`, where `n` is the number of weights, `k` the number of live
    ones (`live_weights`), and `H` the entropy of their share in bits. The bound assumes positions
    without structure, and one bit for each sign. A file that finds structure in the positions is
    smaller; biases and names are added to it.

    Args:
      params: tree of arrays.
      threshold: as in `live_weights`.
      mask: which leaves count (see `jaxcomp.compressibility_tree`).

    Example:
      >>> import jax.numpy as jnp
      >>> float(entropy_bytes({"kernel": jnp.array([[3.0, 0.01], [-4.0, 0.0]])}))  # (4 * 1 + 2) / 8
      0.75
    """
    n = sum(w.size for w in select(params, mask))
    share = live_weights(params, threshold=threshold, mask=mask) / n
    entropy = (jax.scipy.special.entr(share) + jax.scipy.special.entr(1 - share)) / math.log(2)
    return n * (entropy + share) / 8


MEASURES = {"live": live_weights, "bytes": entropy_bytes}
Measure = Callable[[PyTree], jax.Array]


def control_weight(
    inner_factory: Callable[[jax.Array], optax.GradientTransformation],
    target: float,
    *,
    measure: str | Measure = "live",
    initial: float = 1e-5,
    gains: tuple[float, float] = (3.0, 0.005),
    bounds: tuple[float, float] = (1e-9, 1e3),
    threshold: float = 0.1,
    mask: Mask | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Move the strength of a penalty until a measure of the network reaches a target, and stays.

    No strength has to be chosen by hand::

        tx = optax.chain(
            jaxcomp.control_weight(jaxcomp.add_compressibility, target=5_000),
            optax.adam(1e-3),
        )

    It is a proportional-integral controller. At each step the logarithm of the strength moves by
    :math:`p (e - e_{\mathrm{last}}) + i \, e` with the gains `p` and `i`. The error is :math:`e =
    \log(\mathrm{measured} / \mathrm{target})` of a moving average over some hundred steps, cut to
    [-2, 2]. Far from the target the default gains raise the strength a thousandfold in some 700
    steps. The strength falls back before the target is passed, since weights that have come to zero
    hardly come back. Plan for several thousand steps. A learning rate that decays to zero freezes
    the state that has been reached.

    Args:
      inner_factory: function from a strength to a transformation, such as
        `jaxcomp.add_compressibility` or `lambda strength: jaxcomp.add_penalty("l1", strength,
        scope="tensor")`.
      target: wanted value of the measure, greater than 0. (To move it at run time, use
        `optax.inject_hyperparams(jaxcomp.control_weight, static_args=("inner_factory",))`.)
      measure: `"live"`, the number of weights with :math:`|w_i| > \tau c`; `"bytes"`, those of the
        ternary network by the entropy bound; `"loss"`, the training loss, which `update` must then
        be given as `value=`; or a function from the parameters to a positive number. A measure
        above the target raises the strength; a loss above the target lowers it.
      initial: strength before the first step, within the bounds.
      gains: `p`, for changes of the error, and `i`, for its sum; at least 0.
      bounds: the least and the greatest strength, where it stays if the target is out of reach.
      threshold: :math:`\tau`, below which weights count as zero, as a fraction of the ternary level
        `c`.
      mask: which leaves are counted; by default weights by their names and shapes. (With a network,
        give `lambda params: jaxcomp.trees.weight_mask(params, network=network)`.) `inner_factory`
        decides which leaves are penalized.

    Returns:
      A transformation. `optax.tree.get(opt_state, "control_weight")` is the strength, and
      `"measured"` the measure at the last update.

    Raises:
      ValueError: if `measure` is unknown, or `target`, `initial`, `gains`, `bounds` or `threshold`
        is out of range; at `update`, if no parameters are given, or no loss where it is needed.
      TypeError: if `inner_factory` is not a function, or a number is not one.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> import jaxcomp
      >>> tx = optax.chain(control_weight(jaxcomp.add_compressibility, target=1), optax.sgd(1e-2))
      >>> params = {"kernel": jnp.array([[3.0, 1.0], [-4.0, 2.0]])}
      >>> updates, state = tx.update(params, tx.init(params), params)
      >>> float(optax.tree.get(state, "measured"))
      4.0
    """
    if not callable(inner_factory):
        raise TypeError(
            "inner_factory must be a function from a weight to a transformation, such as "
            f"jaxcomp.add_compressibility, got {inner_factory!r}"
        )
    if not callable(measure):
        check_choice("measure", measure, (*MEASURES, "loss"))
    check_number("target", target, "finite and greater than 0", lambda t: t > 0)
    proportional, integral = _pair("gains", gains, "at least 0", lambda gain: gain >= 0)
    lowest, highest = _pair("bounds", bounds, "greater than 0", lambda bound: bound > 0)
    within = f"from {lowest} to {highest}"
    check_number("initial", initial, within, lambda weight: lowest <= weight <= highest)
    fraction = "a fraction of the ternary level, in [0, 1)"
    check_number("threshold", threshold, fraction, lambda t: 0 <= t < 1)
    sign = -1.0 if measure == "loss" else 1.0

    def made(weight: jax.Array) -> optax.GradientTransformationExtraArgs:
        tx = inner_factory(weight)
        check_transformation("the transformation that `inner_factory` gives", tx)
        return optax.with_extra_args_support(tx)

    def init_fn(params: PyTree) -> ControlWeightState:
        return ControlWeightState(
            control_weight=jnp.full((), initial, jnp.float32),
            measured=jnp.zeros((), jnp.float32),
            smoothed=jnp.zeros((), jnp.float32),
            error=jnp.zeros((), jnp.float32),
            count=jnp.zeros((), jnp.int32),
            controlled=made(jnp.float32(initial)).init(params),
        )

    def update_fn(
        updates: PyTree, state: ControlWeightState, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, ControlWeightState]:
        check_params(params, "control_weight measures")
        first = state.count == 0
        if callable(measure):
            measured = jnp.asarray(measure(params)).astype(jnp.float32)
        elif measure != "loss":
            measured = MEASURES[measure](params, threshold=threshold, mask=mask)
        elif extra_args.get("value") is None:
            raise ValueError(
                'control_weight with measure="loss" needs the training loss: '
                "call tx.update(updates, state, params, value=loss)"
            )
        else:
            measured = jnp.asarray(extra_args["value"]).astype(jnp.float32)
        average = _SMOOTHING * state.smoothed + (1 - _SMOOTHING) * measured
        smoothed = jnp.where(first, measured, average)
        tiny = jnp.finfo(jnp.float32).tiny
        error = jnp.clip(jnp.log(jnp.maximum(smoothed, tiny) / target), -_CUT, _CUT)
        change = jnp.where(first, 0, error - state.error)
        factor = jnp.exp(sign * (proportional * change + integral * error))
        weight = jnp.clip(state.control_weight * factor, lowest, highest)
        updates, controlled = made(weight).update(updates, state.controlled, params, **extra_args)
        count = step_after(state.count)
        return updates, ControlWeightState(weight, measured, smoothed, error, count, controlled)

    return transformation(init_fn, update_fn)


def _pair(
    name: str, values: tuple[float, float], wanted: str, holds: Callable[[float], bool]
) -> tuple[float, float]:
    if not (isinstance(values, tuple) and len(values) == 2):
        raise TypeError(f"{name} must be two numbers, {wanted}: got {values!r}")
    for value in values:
        check_number(name, value, wanted, holds)
    return values
