"""Runs the phases of a recipe."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from jaxcomp.arguments import check_number
from jaxcomp.recipe.batches import Batches
from jaxcomp.recipe.loop import Loop, Loss
from jaxcomp.recipe.phase import About, Judge, Optimizer, Phase, Trained
from jaxcomp.recipe.result import PhaseReport, Result, file_bytes, nonzeros
from jaxcomp.recipe.start import check_start, check_validation
from jaxcomp.recipe.watching import Watching
from jaxcomp.tracing import Network

PyTree = Any


class Recipe:
    """Makes a small network of any network that has a loss, phase by phase.

    Example:
      >>> import jax, jax.numpy as jnp, numpy as np
      >>> from jaxcomp.recipe import Recipe, Sparsify, Store
      >>> def loss(params, x, key):
      ...     return jnp.mean((x @ params["kernel"] - x[:, :1] + x[:, 1:2]) ** 2)
      >>> params, x = {"kernel": jnp.full((4, 1), 0.1)}, jnp.eye(4)
      >>> sparsify = Sparsify(steps=100, density=0.5, penalty="none", learning_rate=0.1)
      >>> result = Recipe(sparsify, Store()).run(loss, params, [x], key=jax.random.key(0))
      >>> np.asarray(result.params["kernel"])[:, 0].round(1).tolist()
      [1.0, -1.0, 0.0, 0.0]
    """

    def __init__(self, *phases: Phase) -> None:
        """Take phases, in order.

        Raises:
          TypeError: if one is no `Phase`.
          ValueError: if two have the same name, or there are none.
        """
        for phase in phases:
            if not isinstance(phase, Phase):
                raise TypeError(f"a recipe is made of phases, got {phase!r}")
        names = [phase.name for phase in phases]
        if not phases or len(set(names)) < len(names):
            raise ValueError(
                f"phases need names of their own, got {', '.join(names) or 'none'}: give one by "
                "name="
            )
        self.phases = phases

    def __repr__(self) -> str:
        return f"Recipe({', '.join(map(repr, self.phases))})"

    def run(
        self,
        loss: Loss,
        params: PyTree,
        batches: Batches,
        *,
        key: jax.Array,
        model_state: PyTree = None,
        network: Network | None = None,
        optimizer: Optimizer = optax.adam,
        validation: Iterable[Any] | None = None,
        evaluate: Callable[..., jax.Array] | None = None,
        look_every: int = 100,
        folder: str | Path | None = None,
    ) -> Result:
        """Run the phases one after the other.

        Args:
          loss: function of parameters, a batch and a random key that returns the mean loss of the
            batch. With a model state it is a function of parameters, model state, batch and key,
            and returns the loss and the new model state.
          params: tree of arrays, in any framework: the collection `params` of Linen, the state of
            `nnx.split`, the arrays of `eqx.partition`, nested dicts.
          batches: function of the step, counted through all phases; or batches to iterate over, as
            often as needed.
          key: random key.
          model_state: what the loss updates beside the parameters, such as running statistics;
            None if there is nothing.
          network: from `jaxcomp.trace`, for the network as it is evaluated. It tells weights from
            other arrays, knows the axes of their units, and removes units that cannot matter.
            Without one, names tell which arrays are weights, and units are on the last axis.
          optimizer: function of a learning rate, such as `optax.adam`.
          validation: list of held-out batches, on which each phase is evaluated. Recipes of one
            number need it.
          evaluate: function that returns the mean loss, given parameters and a batch, or
            parameters, model state and batch. By default `loss`, with a key that is always the
            same.
          look_every: steps between two points of the curves, and between looks at the clock for
            checkpoints.
          folder: folder of the checkpoints. The same call with the same folder resumes a run that
            was stopped, and ends with the same network. It needs orbax-checkpoint.

        Raises:
          jaxcomp.train.NonFiniteLossError: if training diverges.
          jaxcomp.recipe.progress.StoppedError: if the process was asked to end (SIGTERM), after
            saving.
          TypeError: if `params` is not a tree of floating-point arrays, or another argument is not
            what it is called.
          ValueError: if the batches end, the folder belongs to another run, or a phase cannot make
            what it is asked for.
        """
        wanted = "a number of steps, at least 1"
        check_number("look_every", look_every, wanted, lambda n: n >= 1, integer=True)
        check_start(params, key, optimizer)
        trained = Trained(params, model_state)
        total = sum(phase.steps for phase in self.phases)
        held_out = None if validation is None else list(validation)
        judge = None
        if held_out:
            evaluate = evaluate or _by_loss(loss, model_state)
            check_validation(evaluate, params, model_state, held_out)
            judge = _judge(evaluate, held_out)
        notes: list[str] = []
        about = About(optimizer, network, judge, notes.append)
        for phase in self.phases:
            phase.check(trained, about)
        reports = []
        watching = Watching(total, None if folder is None else Path(folder))
        watching.check_same_run(f"{self!r}", (params, model_state, key))
        with watching.running() as watch:
            train = Loop(loss, batches, key, watch, look_every)
            for phase in self.phases:
                begin = time.monotonic()
                trained = phase.run(trained, about, train)
                size = None
                if phase.few_valued:
                    size = file_bytes(trained.params, trained.model_state)
                reports.append(
                    PhaseReport(
                        phase.name,
                        phase.steps,
                        time.monotonic() - begin,
                        watching.last_loss(phase.name),
                        judge(trained.params, trained.model_state) if judge else None,
                        nonzeros(trained.params),
                        size,
                    )
                )
        return Result(
            trained.params,
            trained.model_state,
            tuple(reports),
            tuple(watching.points),
            tuple(notes),
        )


def _judge(evaluate: Callable[..., jax.Array], batches: list[Any]) -> Judge:
    """Return a function that returns the mean loss of held-out batches."""
    evaluate = jax.jit(evaluate)

    def mean(params: PyTree, model_state: PyTree) -> float:
        state = () if model_state is None else (model_state,)
        losses = [evaluate(params, *state, batch) for batch in batches]
        return float(np.mean([np.asarray(one, np.float64) for one in losses]))

    return mean


def _by_loss(loss: Loss, model_state: PyTree) -> Callable[..., jax.Array]:
    key = jax.random.key(0)
    if model_state is None:
        return lambda params, batch: loss(params, batch, key)
    return lambda params, state, batch: loss(params, state, batch, key)[0]
