"""Recipes of one number, beside one by hand and beside pruning, int8 and zstd.

python -m experiments.benchmarks.recipe_networks NETWORK [--seeds N] [--output FILE]

All make the same number of training steps. By hand it is gradual magnitude pruning, then weights of
two levels, at the density that brings the file to the size; so is the last, with int8 and zstd-19
in place of levels. What the output file has already is not measured again.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from experiments.benchmarks.recipe_subjects import SUBJECTS, Subject
from experiments.benchmarks.record import Record
from experiments.report.storage import as_int8, reference_bytes
from jaxcomp import strict_json
from jaxcomp.recipe import Dense, FineTune, Phase, Quantize, Recipe, Sparsify, Store, for_size
from jaxcomp.recipe.phase import About, Trained
from jaxcomp.recipe.result import file_bytes, stored
from jaxcomp.screen import PlainConsole
from jaxcomp.trees import weight_mask

PyTree = Any
_DENSE, _SPARSE, _FINE = 0.25, 0.4, 0.1  # of the steps; few-valued weights have the rest
_MAGNITUDES, _BIAS_BITS = 2, 6
_TRIES = 3  # densities, of which the largest is taken whose file is small enough
_MOST_TRIES = 8  # as long as none is
METHODS = ("for_size", "by_hand", "int8_zstd19")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("network", choices=tuple(SUBJECTS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    output = options.output or Path(f"experiments/results/recipe_{options.network}.json")
    known = strict_json.read(output, "remove it")["rows"] if output.exists() else []
    record = Record("recipe_networks", [options.network], output)
    for row in known:
        record.add(row)
    for seed in range(options.seeds):
        subject = SUBJECTS[options.network](seed)
        for times in subject.times_smaller:
            for method in METHODS:
                about = {"method": method, "times_smaller": times, "seed": seed}
                if not any(about.items() <= row.items() for row in known):
                    record.add({**about, **measured(subject, method, times, seed)})
    table = Table("method", "times smaller", "seed", "bytes", "quality", "seconds", box=None)
    for row in record.rows:
        cells = row["method"], row["times_smaller"], row["seed"], row["bytes"]
        table.add_row(*map(str, cells), f"{row['quality']:.4g}", f"{row['seconds']:.0f}")
    PlainConsole(width=120).print(table)


def measured(subject: Subject, method: str, times: int, seed: int) -> dict[str, Any]:
    """Return the bytes and the quality on the test split of what a method makes."""
    begin = time.monotonic()
    run = {"for_size": _for_size, "by_hand": _by_hand, "int8_zstd19": _int8}[method]
    params, state, size = run(subject, times, jax.random.key(seed))
    most = float32_bytes(subject.params) // times
    return {
        "unit": subject.unit,
        "steps": subject.steps,
        "most_bytes": most,
        "bytes": size,
        "quality": subject.quality(params, state),
        "seconds": time.monotonic() - begin,
    }


def float32_bytes(params: PyTree) -> int:
    """Return what all parameters take as float32."""
    return 4 * sum(leaf.size for leaf in jax.tree.leaves(params))


def _for_size(subject: Subject, times: int, key: jax.Array) -> tuple[PyTree, PyTree, int]:
    recipe = for_size(times_smaller=times, steps=subject.steps, learning_rate=subject.learning_rate)
    done = _run(recipe, subject, key)
    return done.params, done.model_state, file_bytes(done.params, done.model_state)


def _by_hand(subject: Subject, times: int, key: jax.Array) -> tuple[PyTree, PyTree, int]:
    rate, steps = {"learning_rate": subject.learning_rate}, subject.steps
    few = {"number": _MAGNITUDES, "bias_bits": _BIAS_BITS}

    def phases(density: float) -> list[Phase]:
        last = 1 - _DENSE - _SPARSE - _FINE
        return [
            _pruning(subject, density),
            FineTune(steps=round(_FINE * steps), **rate),
            Quantize(steps=round(0.8 * last * steps), **rate, **few),
            Quantize(name="settle", steps=round(0.2 * last * steps), **few),
            Store(bias_bits=_BIAS_BITS),
        ]

    def size_of(params: PyTree, state: PyTree) -> int:
        about = About(network=subject.network)
        few = Store(bias_bits=_BIAS_BITS).stored(Trained(params, state), about)
        return file_bytes(few.params, few.model_state)

    return _of_density(subject, times, key, phases, size_of)


def _int8(subject: Subject, times: int, key: jax.Array) -> tuple[PyTree, PyTree, int]:
    def phases(density: float) -> list[Phase]:
        steps = round((1 - _DENSE - _SPARSE) * subject.steps)
        return [
            _pruning(subject, density),
            FineTune(steps=steps, learning_rate=subject.learning_rate),
        ]

    def size_of(params: PyTree, state: PyTree) -> int:
        return reference_bytes(jax.tree.map(np.asarray, stored(params, state)))["int8_zstd19"]

    params, state, size = _of_density(subject, times, key, phases, size_of)
    rounded = jax.tree.map(
        lambda w, is_weight: jnp.asarray(as_int8(np.asarray(w)).values()) if is_weight else w,
        params,
        weight_mask(params, network=subject.network),
    )
    return rounded, state, size


def _pruning(subject: Subject, density: float) -> Sparsify:
    steps = round(_SPARSE * subject.steps)
    return Sparsify(
        steps=steps,
        learning_rate=subject.learning_rate,
        density=density,
        penalty="none",
        prune_steps=round(2 / 3 * steps),
    )


def _of_density(
    subject: Subject,
    times: int,
    key: jax.Array,
    phases: Callable[[float], list[Phase]],
    size_of: Callable[[PyTree, PyTree], int],
) -> tuple[PyTree, PyTree, int]:
    """Return the largest network that is small enough, of some densities tried in turn."""
    most = float32_bytes(subject.params) // times
    dense = _run(
        Recipe(Dense(steps=round(_DENSE * subject.steps), learning_rate=subject.learning_rate)),
        subject,
        key,
    )
    density, best = 1.0 / times, None
    for tried in range(1, _MOST_TRIES + 1):
        done = _run(Recipe(*phases(density)), subject, key, dense)
        size = size_of(done.params, done.model_state)
        if size <= most and (best is None or size > best[2]):
            best = done.params, done.model_state, size
        if best is not None and tried >= _TRIES:
            return best
        density = min(1.0, 0.98 * density * most / size)
    raise ValueError(f"no file of {most} bytes was found: the last one had {size}")


def _run(recipe: Recipe, subject: Subject, key: jax.Array, start: Any = None) -> Any:
    return recipe.run(
        subject.loss,
        subject.params if start is None else start.params,
        subject.batches,
        key=key,
        model_state=subject.model_state if start is None else start.model_state,
        network=subject.network,
        validation=subject.validation,
        evaluate=subject.evaluate,
        look_every=500,
    )


if __name__ == "__main__":
    main()
