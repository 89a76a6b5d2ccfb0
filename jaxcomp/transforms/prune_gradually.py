"""Prunes gradually: the optimizer's state holds a mask that follows a schedule of densities."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
import optax

from jaxcomp.arguments import check_number
from jaxcomp.axes import KERNEL, UNITS, Axes, check_source, leaf_axes
from jaxcomp.choices import ARRAY_SCOPES, ArrayScope, Layout
from jaxcomp.losses.tree import check_scope
from jaxcomp.prune.masks import ENTRIES, check_density
from jaxcomp.prune.patterns import Pattern, check_pattern, keep_of_arrays, pattern_needs
from jaxcomp.prune.scores import StructuredMagnitude
from jaxcomp.transforms.keep_masked import hold
from jaxcomp.transforms.updates import at_step, check_params, masked, step_after, transformation
from jaxcomp.trees import Mask, PyTree, check_finite, mask_or_weights
from jaxcomp.weights import Network


class PruneGraduallyState(NamedTuple):
    """Holds the state of `prune_gradually`: the mask, its density, and the step."""

    # The number of updates made, shape=(), dtype=int32. It hides `tuple.count`.
    count: jax.Array  # type: ignore[assignment]
    density: jax.Array  # shape=(), dtype=float32: density of the last ranking; 1 before the first
    mask: PyTree  # bool arrays of the shapes of the parameters: True for weights that are kept


def prune_gradually(
    density: optax.ScalarOrSchedule,
    *,
    every: int = 100,
    scope: ArrayScope = "global",
    pattern: Pattern = ENTRIES,
    score: Callable[[jax.Array], jax.Array] | None = None,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Keep the weights of the largest scores, fewer and fewer, and hold the others at exact zero.

    It must be the *last* element of a chain, like `jaxcomp.keep_masked`::

        tx = optax.chain(
            optax.adam(1e-3),
            jaxcomp.prune_gradually(optax.polynomial_schedule(1.0, 0.02, 3, 10_000)),
        )

    At every `every`-th step it ranks the parameters that it is given, before the step. It keeps the
    fraction that the schedule gives for the number of steps made, this one included. Between these
    steps it holds the zeros. Where the schedule has already reached its value at the next ranking,
    the ranking is made at once: a schedule that ends after `n` steps is reached after `n` steps,
    whatever `every` is. Pruned weights stay pruned.

    Args:
      density: fraction of the selected weights to keep, in (0, 1]: a number, which prunes at the
        first step, or a schedule (`optax.polynomial_schedule`). Where a schedule rises again, it
        has no effect.
      every: number of steps between two rankings, at least 1.
      scope: `"global"` to rank all selected weights together, `"tensor"` each tensor by itself.
      pattern: the weights that are kept or pruned as one (see `jaxcomp.prune.top_k_mask`).
      score: function from an array of parameters, zero where pruned, to an array of scores, not
        negative; the magnitude by default. `jaxcomp.prune.structured_magnitude` makes another. (For
        `optax.inject_hyperparams`, name it in `static_args`.)
      mask: which leaves are pruned (see `jaxcomp.add_compressibility`).
      network: the result of `jaxcomp.trace`. It knows which arrays are weights, which of their axes
        are inputs and output units (for patterns and scores), and which arrays are stacks of
        separate tensors.
      layout: instead of `network`, the position of units in all arrays (see
        `jaxcomp.add_compressibility`).

    Returns:
      A transformation that ignores extra arguments. `optax.tree.get(opt_state, "mask")` is the mask
      of the weights that are kept (if a chain has several masks, use `get_all_with_path`).

    Raises:
      ValueError: if a constant `density` is outside (0, 1], `every` is less than 1, or `scope` or
        `layout` is unknown; at `init`, if the mask does not fit or selects nothing, or (for units)
        as `jaxcomp.compressibility_tree`; at `update`, if no parameters are given, the pattern does
        not fit them, or (outside `jit`) weights that are ranked hold NaN or an infinity. Inside
        `jit`, NaN displaces no other weight, and stays.
      TypeError: if `density` is neither a number nor a schedule, or `every` no integer.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> params = {"kernel": jnp.array([[3.0, 0.1], [-4.0, 0.2]])}
      >>> tx = optax.chain(optax.sgd(0.01), prune_gradually(0.5))
      >>> updates, state = tx.update(params, tx.init(params), params)
      >>> (optax.apply_updates(params, updates)["kernel"] != 0).tolist()
      [[True, False], [True, False]]
    """
    check_scope(scope, ARRAY_SCOPES)
    if not callable(density):
        check_density(density)
    check_number("every", every, "a number of steps, at least 1", lambda n: n >= 1, integer=True)
    check_pattern(pattern)
    if not (score is None or callable(score)):
        raise TypeError(f"score must be a function from weights to scores, got {score!r}")
    score = jnp.abs if score is None else score
    check_source(network, layout)

    def axes_of(params: PyTree) -> tuple[Axes | None, ...]:
        needs = pattern_needs(pattern, scope)
        if needs != KERNEL and _needs_axes(score):
            needs = UNITS
        return tuple(leaf_axes(params, True, needs, network=network, layout=layout))

    def init_fn(params: PyTree) -> PruneGraduallyState:
        axes_of(params)
        everything = jax.tree.map(lambda p: jnp.ones_like(p, dtype=bool), params)
        return PruneGraduallyState(jnp.zeros((), jnp.int32), jnp.ones((), jnp.float32), everything)

    def update_fn(
        updates: PyTree, state: PruneGraduallyState, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, PruneGraduallyState]:
        del extra_args
        check_params(params, "prune_gradually ranks")
        structure: jax.tree_util.PyTreeDef
        leaves, structure = jax.tree.flatten(params)
        count = step_after(state.count)
        wanted = density_after(count)
        falls = wanted < state.density
        if not isinstance(falls, jax.core.Tracer) and falls:
            check_finite(params, "prune_gradually")
        old = structure.flatten_up_to(state.mask)
        masks = masks_at(axes_of(params), falls, wanted, leaves, old)
        new_state = PruneGraduallyState(
            count, jnp.minimum(wanted, state.density), jax.tree.unflatten(structure, masks)
        )
        return hold(updates, new_state.mask, params), new_state

    def density_after(count: jax.Array) -> jax.Array:
        """Return the density to rank to after so many steps, or 1 if that can wait."""
        now, at_next = (
            jnp.asarray(at_step(density, step), jnp.float32)
            for step in (count, count + (-count) % every)
        )
        return jnp.where(now == at_next, now, 1)

    @partial(jax.jit, static_argnums=0)  # without `jit`, each call would compile the branch again
    def masks_at(
        axes: tuple[Axes | None, ...],
        falls: jax.Array,
        wanted: jax.Array,
        leaves: list[jax.Array],
        old: list[jax.Array],
    ) -> list[jax.Array]:
        tiny = jnp.finfo(jnp.float32).tiny

        # The ranking is of the parameters before the step. If the branch read the updates, XLA
        # would store them at each step, ranked or not; now they are part of one pass over the
        # parameters (row "prune_gradually" of `experiments.benchmarks.step_cost`).
        def ranked() -> list[jax.Array]:
            scores = []
            for p, keep, own in zip(leaves, old, axes, strict=True):
                scored = _with_axes(score, own)(jnp.where(keep, p, jnp.zeros_like(p)))
                # Pruned weights rank below all others, even below weights that are zero by chance.
                scores.append(jnp.where(keep, jnp.maximum(scored.astype(jnp.float32), tiny), 0))
            share = wanted if callable(density) else density
            kept = keep_of_arrays(pattern, scores, share, scope, axes)
            return [new & keep for new, keep in zip(kept, old, strict=True)]

        return jax.lax.cond(falls, ranked, lambda: old)

    tx = transformation(init_fn, update_fn)
    return masked(tx, mask_or_weights(mask, network))


def _needs_axes(score: Callable[[jax.Array], jax.Array]) -> TypeGuard[StructuredMagnitude]:
    """Return whether a score depends on units whose axes it does not know."""
    told = isinstance(score, StructuredMagnitude) and (score.axes or score.layout)
    return isinstance(score, StructuredMagnitude) and bool(score.strength) and not told


def _with_axes(
    score: Callable[[jax.Array], jax.Array], axes: Axes | None
) -> Callable[[jax.Array], jax.Array]:
    return replace(score, axes=axes) if axes is not None and _needs_axes(score) else score
