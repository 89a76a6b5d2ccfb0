"""What the library's transformations cost: as ratios to Adam alone, within one run.

python -m experiments.benchmarks.step_cost [--weights N] [--leaves 161 1] [--output FILE.json]

* update: `tx.update` and `optax.apply_updates`, compiled, with the gradients given and the memory
  of parameters and state donated. What is done every 100 steps is timed apart and spread over them.
* compile: tracing, lowering and compiling the update of many small leaves.
* step: forward, backward and update of a network in training.

Prints a table: the ratio of the times, its quartiles, the ratio of the bytes that XLA counts for
the compiled programs, and the goal. Writes all numbers as JSON. About eleven minutes on two CPU
cores.

161 leaves have the shapes of a ResNet-50; any other number of leaves is of equal ones. On an
accelerator one call makes many updates (`--inside`): handing over hundreds of arrays from Python
takes longer than one update of them.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.compilation_cache import compilation_cache
from rich.table import Table

import jaxcomp
from experiments.benchmarks.network import start
from experiments.benchmarks.paired import Pair, Work, in_turns, spread
from experiments.benchmarks.random_checkpoint import shapes as resnet_50_shapes
from experiments.benchmarks.record import Record, cells_of, row_of
from jaxcomp.analysis.measures import measures
from jaxcomp.models import MODELS
from jaxcomp.screen import PlainConsole
from jaxcomp.train import init_state, make_update

PyTree = Any

EVERY = 100  # steps between two rankings, and between two looks at the measures
DENSITY = 0.1
STEPS_OF = ["lenet_5_caffe", "resnet_50"]  # the models whose whole steps are timed
MIN_AXIS = 128  # the last axis of leaves that are not those of a ResNet-50
# In Flax's order of the axes: outputs last.
RESNET_50 = [shape[:1:-1] + shape[1::-1] for _, shape in resnet_50_shapes()]
CPU_GOAL, ACCELERATOR_GOAL, COMPILE_GOAL, STEP_GOAL = 1.30, 1.20, 2.0, 1.03


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    on_cpu = jax.default_backend() == "cpu"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--weights", type=int, default=sum(map(math.prod, RESNET_50)), help="in all [%(default)s]")
    add("--leaves", type=int, nargs="*", default=[len(RESNET_50), 1], help="[161 1]")
    add("--repeats", type=int, default=15, help="pairs of samples [%(default)s]")
    add("--seconds", type=float, default=0.3, help="about that long a sample [%(default)s]")
    add("--inside", type=int, default=1 if on_cpu else 50, help="updates in a call [%(default)s]")
    add("--compile-leaves", type=int, default=1000, help="0 for no compile time [%(default)s]")
    add("--compile-repeats", type=int, default=3, help="pairs of compilations [%(default)s]")
    add("--models", nargs="+", default=STEPS_OF, choices=[*STEPS_OF, "none"], help="[all]")
    add("--batch", type=int, default=8 if on_cpu else 128, help="of ResNet-50 [%(default)s]")
    add("--image-size", type=int, default=64 if on_cpu else 224, help="the same [%(default)s]")
    add("--output", type=Path, default=Path("experiments/results/step_cost.json"))
    options = parser.parse_args(arguments)

    console = PlainConsole(width=120)
    given = sys.argv[1:] if arguments is None else arguments
    record = Record("step_cost", given, options.output, updates_in_a_call=options.inside)
    for row in _measured(options, on_cpu):
        record.add(row)
        console.print(f"{row['name']}, {row['kind']}: {row['ratio']['median']:.3f}")
    console.print(_table(record.rows))


def _measured(options: argparse.Namespace, on_cpu: bool) -> Iterator[dict[str, Any]]:
    """The rows, one after the other."""
    for leaves in options.leaves:
        tree = random_tree(options.weights, leaves)
        yield from _Updates(tree, options, CPU_GOAL if on_cpu else ACCELERATOR_GOAL).rows()
    if options.compile_leaves:
        penalty = jaxcomp.add_compressibility(1e-3)
        yield _compile_row("add_compressibility", penalty, options, COMPILE_GOAL)
        # Of optax, to compare with.
        clip = optax.clip_by_global_norm(1.0)
        yield _compile_row("optax.clip_by_global_norm", clip, options, None)
    for name in options.models:
        if name != "none":
            yield _step_row(name, options, on_cpu)


def random_tree(weights: int, leaves: int) -> PyTree:
    """About so many normal weights of variance 0.01, float32."""
    if leaves == len(RESNET_50):
        share = weights / sum(map(math.prod, RESNET_50))
        shapes = [(*others, max(1, round(share * last))) for *others, last in RESNET_50]
    else:
        shapes = [(max(1, weights // leaves // MIN_AXIS), MIN_AXIS)] * leaves
    rng = np.random.default_rng(0)
    arrays = (0.1 * rng.standard_normal(shape, np.float32) for shape in shapes)
    return {f"leaf_{i}": jnp.asarray(array, jnp.float32) for i, array in enumerate(arrays)}


class _Updates:
    """The rows of one tree. Only two sets of parameters and moments are held at a time."""

    def __init__(self, tree: PyTree, options: argparse.Namespace, goal: float) -> None:
        self.tree, self.options, self.goal = tree, options, goal
        self.gradients = jax.tree.map(lambda p: 0.01 * p[::-1], tree)
        self.adam = self._compiled(optax.adam(1e-3))
        parameters = sum(p.size for p in jax.tree.leaves(tree))
        self.about = {"kind": "update", "leaves": len(tree), "parameters": parameters}

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table, in its order."""
        before = optax.adam(1e-3)
        mask = jax.tree.map(lambda p: jnp.abs(p) > 0.05, self.tree)
        chains = {
            "add_compressibility": (jaxcomp.add_compressibility(1e-3), before),
            'add_compressibility, scope="tensor"': (
                jaxcomp.add_compressibility(1e-3, scope="tensor"),
                before,
            ),
            'add_penalty("l1")': (jaxcomp.add_penalty("l1", 1e-5), before),
            # Of optax, to compare with: it too adds up all entries before it changes any.
            "optax.clip_by_global_norm": (optax.clip_by_global_norm(1.0), before),
            "keep_masked": (before, jaxcomp.keep_masked(mask)),
        }
        for name, chain in chains.items():
            goal = self.goal if name.startswith("add_compressibility") else None
            yield self._row(name, optax.chain(*chain), goal)
        yield self._prune_row()
        yield self._measures_row()

    def _row(
        self, name: str, tx: optax.GradientTransformation, goal: float | None
    ) -> dict[str, Any]:
        variant = self._compiled(tx)
        pair = self._in_turns(variant.work())
        return _row({**self.about, "name": name}, pair, pair.ratios(), goal, self.adam, variant)

    def _prune_row(self) -> dict[str, Any]:
        """One program, told how many steps were made: before the last of `EVERY` it ranks."""
        falling = optax.linear_schedule(1.0, DENSITY, EVERY)
        tx = optax.chain(optax.adam(1e-3), jaxcomp.prune_gradually(falling, every=EVERY))

        def at_step(opt_state: PyTree, number: jax.Array) -> PyTree:
            adam, prune = opt_state
            inner = prune.inner_state._replace(count=number, density=jnp.ones((), jnp.float32))
            return adam, prune._replace(inner_state=inner)

        variant = self._compiled(tx, at_step)
        ranks = self._in_turns(variant.work(jnp.int32(EVERY - 1)))
        holds = self._in_turns(variant.work(jnp.int32(0)))
        ratios = (ranks.ratios() + (EVERY - 1) * holds.ratios()) / EVERY
        about = {**self.about, "name": f"prune_gradually, every {EVERY}"}
        row = _row(about, holds, ratios, None)  # no bytes: XLA counts both branches
        return {**row, "ranks": spread(ranks.ratios()), "holds": spread(holds.ratios())}

    def _measures_row(self) -> dict[str, Any]:
        pair = self._in_turns(lambda: measures(self.tree))
        # A call is one look, but `inside` updates.
        looks = pair.ratios() * self.options.inside
        about = {**self.about, "name": f"measures, every {EVERY}"}
        return {**_row(about, pair, 1 + looks / EVERY, None), "look": spread(looks)}

    def _compiled(
        self,
        tx: optax.GradientTransformation,
        at_step: Callable[[PyTree, jax.Array], PyTree] = lambda opt_state, _: opt_state,
    ) -> "_Program":
        def update(state: PyTree, gradients: PyTree, number: jax.Array) -> PyTree:
            params, opt_state = state
            return _updated(tx, params, at_step(opt_state, number), gradients)

        state = jax.tree.map(jnp.copy, (self.tree, tx.init(self.tree)))
        return _Program(update, state, (self.gradients, jnp.int32(0)), self.options.inside)

    def _in_turns(self, variant: Work) -> Pair:
        return in_turns(self.adam.work(), variant, self.options.repeats, self.options.seconds)


class _Program:
    """A compiled function of a state, and the state, which it takes and gives back."""

    def __init__(self, step: Callable, state: PyTree, arguments: tuple, inside: int = 1) -> None:
        self.state, self.arguments = state, arguments
        self.once = jax.jit(step, donate_argnums=0).lower(state, *arguments).compile()
        self.compiled = self.once
        if inside > 1:

            def steps(state: PyTree, *arguments: Any) -> PyTree:
                return jax.lax.fori_loop(0, inside, lambda _, s: step(s, *arguments), state)

            self.compiled = jax.jit(steps, donate_argnums=0).lower(state, *arguments).compile()

    def work(self, *last: Any) -> Work:
        """A call on the state of the call before; `last` in place of the last arguments."""
        arguments = (*self.arguments[: len(self.arguments) - len(last)], *last)

        def call() -> PyTree:
            self.state = self.compiled(self.state, *arguments)
            return self.state

        return call

    def bytes(self) -> dict[str, int]:
        """Return what one step reads, writes and holds beside its arguments, as XLA counts it."""
        cost, memory = self.once.cost_analysis() or {}, self.once.memory_analysis()
        return {
            "accessed": int(cost.get("bytes accessed", 0)),
            "temporary": int(getattr(memory, "temp_size_in_bytes", 0)),
        }


def _updated(
    tx: optax.GradientTransformation, params: PyTree, opt_state: PyTree, gradients: PyTree
) -> tuple[PyTree, PyTree]:
    updates, opt_state = tx.update(gradients, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def _compile_row(
    name: str, before: optax.GradientTransformation, options: argparse.Namespace, goal: float | None
) -> dict[str, Any]:
    """Each compilation is of a new function: nothing that was traced is found again."""
    leaves = options.compile_leaves

    def seconds(tx: optax.GradientTransformation, leaves: int) -> float:
        params = {f"leaf_{i}": jnp.ones((8, 8)) for i in range(leaves)}
        opt_state = tx.init(params)
        begin = time.perf_counter()
        update = jax.jit(partial(_updated, tx), donate_argnums=(0, 1))
        update.lower(params, opt_state, params).compile()
        return time.perf_counter() - begin

    times = Pair([], [])
    adam = optax.adam(1e-3)
    variant = optax.chain(before, adam)
    with _without_cache():
        for tx in (adam, variant):  # the first one also loads and traces what JAX keeps
            seconds(tx, min(leaves, 2))
        for _ in range(options.compile_repeats):
            times.baseline.append(seconds(adam, leaves))
            times.variant.append(seconds(variant, leaves))
    about = {"kind": "compile", "name": name, "leaves": leaves}
    about["parameters"] = 64 * leaves
    return _row(about, times, times.ratios(), goal)


@contextmanager
def _without_cache() -> Iterator[None]:
    """A program that is found on disk was not compiled."""
    before = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # what the setting was is remembered
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def _step_row(name: str, options: argparse.Namespace, on_cpu: bool) -> dict[str, Any]:
    if name == "resnet_50":
        model = MODELS[name](dtype=jnp.float32 if on_cpu else jnp.bfloat16)
        shape = (options.batch, options.image_size, options.image_size, 3)
    else:
        model, shape = MODELS[name](), (128, 28, 28, 1)
    images = jax.random.uniform(jax.random.key(0), shape)
    labels = jnp.arange(shape[0]) % 10
    params, others, loss = start(model, images)

    def program(tx: optax.GradientTransformation) -> _Program:
        state = init_state(params, tx, others)
        return _Program(make_update(loss, tx), state, ((images, labels),))

    adam = program(optax.adam(1e-3))
    penalized = program(optax.chain(jaxcomp.add_compressibility(1e-3), optax.adam(1e-3)))
    pair = in_turns(adam.work(), penalized.work(), options.repeats, options.seconds)
    about = {
        "kind": "step",
        "name": f"add_compressibility, {name}, batch {'x'.join(map(str, shape))}",
    }
    about["leaves"] = len(jax.tree.leaves(params))
    about["parameters"] = sum(p.size for p in jax.tree.leaves(params))
    return _row(about, pair, pair.ratios(), STEP_GOAL, adam, penalized)


def _row(
    about: dict[str, Any],
    pair: Pair,
    ratios: np.ndarray,
    goal: float | None,
    *programs: _Program,
) -> dict[str, Any]:
    row = {**row_of(about, pair, ratios), "goal": goal}
    if programs:
        baseline, variant = (program.bytes() for program in programs)
        row["bytes"] = {"baseline": baseline, "variant": variant}
    return row


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    table.add_column("Adam and")
    for heading in ("of", "leaves", "parameters", "time x", "quartiles", "bytes x", "goal"):
        table.add_column(heading, justify="right")
    for row in rows:
        counted = row.get("bytes")
        accessed = counted and counted["baseline"]["accessed"]
        table.add_row(
            row["name"],
            row["kind"],
            f"{row['leaves']:,}",
            f"{row['parameters']:,}",
            *cells_of(row["ratio"]),
            f"{counted['variant']['accessed'] / accessed:.2f}" if accessed else "-",
            "-" if row["goal"] is None else f"<= {row['goal']:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
