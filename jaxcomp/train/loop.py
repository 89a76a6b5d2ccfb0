"""Runs the training loop: steps, and a look at the state now and then."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.arguments import check_number
from jaxcomp.train.step import TrainState
from jaxcomp.trees import named_leaves


class NonFiniteLossError(FloatingPointError):
    """Says that training stopped because the loss, or a penalty, became infinite or NaN."""


def fit(
    step: Callable[[TrainState, Any], TrainState],
    state: TrainState,
    batches: Iterable[Any],
    *,
    steps: int,
    look_every: int,
    look: Callable[[TrainState], None] = lambda state: None,
) -> TrainState:
    """Make `steps` steps and return the last state.

    Args:
      step: a compiled step (`jaxcomp.train.make_step`). Python calls it each time, which on CPUs is
        the fast form for convolutional networks.
      state: the state to start from; its memory is reused.
      batches: at least `steps` batches, as `step` takes them.
      steps: number of steps to make.
      look_every: number of steps between looks at the state; there is one after the last step too.
      look: called with the state to log or evaluate it, not before the first step. It must not
        keep the state's arrays, whose memory the next step reuses; `np.array` copies them.

    Raises:
      NonFiniteLossError: at the next look after a loss or a penalty that was not finite. The
        message names the step, and the parameters that were not finite then.
      ValueError: if the batches run out, `steps` is negative or `look_every` is less than 1.

    Example:
      >>> import itertools
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.train import fit, init_state, make_step
      >>> step = make_step(lambda params, batch: (params - batch) ** 2, optax.sgd(0.25))
      >>> state = init_state(jnp.array(0.0), optax.sgd(0.25))
      >>> state = fit(step, state, itertools.repeat(jnp.array(3.0)), steps=2, look_every=1)
      >>> float(state.params), int(state.step)
      (2.25, 2)
    """
    _check_counts(steps, look_every)
    source, wait = iter(batches), _shares_threads(state)
    for done, count in _parts(steps, look_every):
        made = done
        for batch in itertools.islice(source, count):
            state = step(state, batch)
            made += 1
            if wait:
                jax.block_until_ready(state.loss)
        _check_enough(made, done + count, steps)
        _check_finite(state)
        look(state)
    return state


def fit_scan(
    scan: Callable[[TrainState, Any, np.ndarray], TrainState],
    state: TrainState,
    examples: Any,
    indices: Iterable[np.ndarray],
    *,
    steps: int,
    look_every: int,
    look: Callable[[TrainState], None] = lambda state: None,
) -> TrainState:
    """Do what `fit` does, with all steps between two looks in one compiled call.

    Args:
      scan: `jaxcomp.train.make_scan`. It compiles once more if `look_every` does not divide
        `steps`.
      state: as for `fit`.
      examples: a tree of arrays with the examples on the first axis, best on the device
        (`jax.device_put`).
      indices: at least `steps` arrays of integers: the examples of each batch
        (`jaxcomp.data.shuffled_indices`).
      steps, look_every, look: as for `fit`.

    Raises:
      NonFiniteLossError, ValueError: as `fit`.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.data import shuffled_indices
      >>> from jaxcomp.train import fit_scan, init_state, make_scan
      >>> scan = make_scan(lambda params, batch: jnp.mean((params - batch) ** 2), optax.sgd(0.5))
      >>> state = init_state(jnp.array(0.0), optax.sgd(0.5))
      >>> examples, indices = jnp.array([1.0, 2.0, 3.0, 4.0]), shuffled_indices(4, 4, seed=0)
      >>> state = fit_scan(scan, state, examples, indices, steps=10, look_every=10)
      >>> float(state.params)
      2.5
    """
    _check_counts(steps, look_every)
    source = iter(indices)
    for done, count in _parts(steps, look_every):
        order = list(itertools.islice(source, count))
        _check_enough(done + len(order), done + count, steps)
        state = scan(state, examples, np.stack(order))
        _check_finite(state)
        look(state)
    return state


def _shares_threads(state: TrainState) -> bool:
    """Tell whether the state is spread over devices that are threads of CPUs.

    Steps that run at the same time can occupy all these threads. Where they sum over devices, they
    then wait for one another forever.
    """
    devices: set[jax.Device] = state.loss.sharding.device_set
    return len(devices) > 1 and next(iter(devices)).platform == "cpu"


def _check_counts(steps: int, look_every: int) -> None:
    check_number("steps", steps, "a number of steps, at least 0", lambda n: n >= 0, integer=True)
    wanted = "a number of steps, at least 1"
    check_number("look_every", look_every, wanted, lambda n: n >= 1, integer=True)


def _parts(steps: int, look_every: int) -> Iterator[tuple[int, int]]:
    """Yield, for each look, how many steps were made before, and how many are to be made."""
    for done in range(0, steps, look_every):
        yield done, min(look_every, steps - done)


def _check_enough(made: int, wanted: int, steps: int) -> None:
    if made < wanted:
        raise ValueError(f"the batches ran out after {made} of {steps} steps")


def _check_finite(state: TrainState) -> None:
    bad = int(state.first_bad_step)
    if not bad:
        return
    what = "penalty" if np.isfinite(float(state.loss)) else "loss"
    leaves = named_leaves(state.params)
    names = [name for name, leaf in leaves.items() if not bool(jnp.isfinite(leaf).all())]
    where = f"{', '.join(names)} had such values" if names else "all parameters were"
    raise NonFiniteLossError(
        f"the {what} was not finite at step {bad} ({where}), and training was stopped: lower the "
        "learning rate or the weight of the penalty, or look for bad values in the data"
    )
