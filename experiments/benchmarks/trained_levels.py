"""Sets of levels of networks that were trained, pruned and rounded, to measure a codec on.

python -m experiments.benchmarks.trained_levels [--only SET ...]

makes them (half an hour on two CPU cores, and MNIST has to be prepared); they are in the
repository, since another machine would train other weights. Weights have a step for each tensor,
which has the least squared error of as many levels as the set has; biases have 31 levels.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from experiments.benchmarks import dict_perceptron
from jaxcomp.data import Examples, digits, mnist, shuffled_batches, sonnets
from jaxcomp.models import MODELS
from jaxcomp.recipe import Dense, FineTune, Recipe, Sparsify
from jaxcomp.trees import named_leaves

Levels = dict[str, tuple[np.ndarray, np.ndarray]]  # levels and step by name

FOLDER = Path(__file__).with_name("levels")
_DATA = {"lenet_300_100": mnist, "lenet_5_caffe": mnist, "digits": digits, "transformer": sonnets}
_BATCH = 64
_LEARNING_RATE = 2e-3
_BIAS_LEVELS = 31
_STEPS_TRIED = 400


class Made(NamedTuple):
    """Says how a set is made."""

    network: str
    penalty: str  # as `jaxcomp.recipe.Sparsify`
    strength: float
    density: float  # of the weights
    levels: int  # with zero; odd
    layout: str  # which axis of a matrix is that of the outputs
    l2: float = 0.0
    scope: str = "global"  # of pruning
    structure: float = 0.0
    steps: int = 3_000  # of each of three phases
    gradually: bool = True  # pruned
    whole_range: bool = False  # whether the largest weight has the largest level
    seed: int = 0


SETS: dict[str, Made] = {
    "t01": Made("lenet_300_100", "none", 0.0, 0.02, 7, "flax", l2=1e-4, seed=1),
    "t02": Made("lenet_300_100", "l1", 1e-5, 0.01, 15, "torch", seed=0),
    "t03": Made("lenet_300_100", "l1_over_l2", 1e-3, 0.004, 3, "flax", seed=1),
    "t04": Made("lenet_300_100", "hoyer_square", 1e-6, 0.002, 15, "torch", seed=2),
    "t05": Made("lenet_300_100", "l1", 1e-5, 0.05, 31, "torch", scope="tensor", seed=3),
    "t06": Made("lenet_300_100", "none", 0.0, 0.01, 5, "flax", structure=0.5, seed=4),
    "t07": Made("lenet_5_caffe", "l1", 1e-5, 0.004, 15, "torch", l2=1e-4, seed=5),
    "t08": Made("lenet_5_caffe", "none", 0.0, 0.01, 31, "flax", l2=1e-4, seed=6),
    "t09": Made("lenet_5_caffe", "l1_over_l2", 1e-3, 0.02, 5, "torch", seed=7),
    "t10": Made("lenet_5_caffe", "transformed_l1", 1e-5, 0.005, 7, "flax", structure=0.5, seed=8),
    "t11": Made("lenet_5_caffe", "none", 0.0, 0.1, 15, "torch", scope="tensor", seed=9),
    "t12": Made("digits", "l1", 1e-5, 0.05, 15, "flax", steps=2_000, seed=0),
    "t13": Made("digits", "none", 0.0, 0.1, 31, "torch", l2=1e-3, steps=2_000, seed=10),
    "t14": Made("transformer", "l1", 1e-5, 0.1, 15, "flax", steps=1_500, seed=11),
    "t15": Made("transformer", "none", 0.0, 0.05, 7, "torch", steps=1_500, seed=12),
    "t16": Made(
        "transformer", "l1_over_l2", 1e-3, 0.2, 31, "torch", scope="tensor", steps=1_500, seed=13
    ),
    "t17": Made(
        "lenet_5_caffe", "l1", 3e-5, 0.005, 15, "torch", gradually=False, whole_range=True, seed=1
    ),
    "t18": Made(
        "lenet_300_100",
        "none",
        0,
        0.002,
        15,
        "torch",
        l2=3e-4,
        gradually=False,
        whole_range=True,
        seed=0,
    ),
    "t19": Made(
        "lenet_5_caffe",
        "none",
        0,
        0.005,
        15,
        "torch",
        l2=5e-4,
        gradually=False,
        whole_range=True,
        seed=2,
    ),
    "t20": Made("lenet_5_caffe", "l1_over_l2", 2e-3, 0.0047, 15, "torch", scope="tensor", seed=1),
    "t21": Made("lenet_300_100", "l1_over_l2", 2e-3, 0.00215, 15, "flax", seed=0),
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=tuple(SETS), default=tuple(SETS))
    FOLDER.mkdir(exist_ok=True)
    for name in parser.parse_args().only:
        params = _trained(SETS[name])
        arrays = {}
        for leaf, w in named_leaves(params).items():
            levels, step = _rounded(np.asarray(w, np.float32), SETS[name])
            arrays |= {f"{leaf}/levels": levels, f"{leaf}/step": step}
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
        live = sum(np.count_nonzero(w) for leaf, w in arrays.items() if leaf.endswith("levels"))
        print(f"{name}: {live:,} levels that are not zero")


def load(name: str) -> Levels:
    """Return the levels and the step of each array of a set of a name in `SETS`."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as archive:
        leaves = [leaf.rpartition("/")[0] for leaf in archive if leaf.endswith("/step")]
        return {leaf: (archive[f"{leaf}/levels"], archive[f"{leaf}/step"]) for leaf in leaves}


def _trained(made: Made) -> Any:
    splits = _DATA[made.network](seed=0)
    apply, params = _network(made.network, splits.train, jax.random.key(made.seed))

    def loss(params: Any, batch: Examples, key: jax.Array) -> jax.Array:
        del key
        logits = apply(params, batch.inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    steps = {"steps": made.steps, "learning_rate": _LEARNING_RATE}
    pruning = Sparsify(
        density=made.density,
        penalty=made.penalty,
        strength=made.strength,
        l2=made.l2,
        prune_steps=2 * made.steps // 3 if made.gradually else 0,
        prune_scope=made.scope,
        structure=made.structure,
        **steps,
    )
    recipe = Recipe(Dense(**steps), pruning, FineTune(**steps))
    batches = shuffled_batches(splits.train, _BATCH, seed=made.seed)
    return recipe.run(loss, params, batches, key=jax.random.key(made.seed)).params


def _network(name: str, examples: Examples, key: jax.Array) -> tuple[Any, Any]:
    if name != "digits":
        model = MODELS[name]()
        params = jax.jit(model.init)(key, examples.inputs[:1])["params"]
        return lambda params, inputs: model.apply({"params": params}, inputs), params

    def apply(params: Any, images: jax.Array) -> jax.Array:
        return dict_perceptron.apply(params, images.reshape(len(images), -1))

    return apply, dict_perceptron.init((64, 128, 64, 10), key)


def _rounded(w: np.ndarray, made: Made) -> tuple[np.ndarray, np.ndarray]:
    """Return levels, int8, and their step."""
    weights = w.ndim > 1
    largest = ((made.levels if weights else _BIAS_LEVELS) - 1) // 2
    if made.layout == "torch" and weights:
        w = np.ascontiguousarray(np.moveaxis(w, (-1, -2), (0, 1)))
    top = float(np.abs(w).max())
    if top == 0:
        return np.zeros(w.shape, np.int8), np.array(1, np.float32)
    steps = (
        top / largest * (np.ones(1) if made.whole_range else np.linspace(0.2, 1.1, _STEPS_TRIED))
    )
    live = w[w != 0]

    def levels_of(values: np.ndarray, step: float) -> np.ndarray:
        return np.clip(np.rint(values / step), -largest, largest)

    errors = [np.square(live - step * levels_of(live, step)).sum() for step in steps]
    step = np.float32(steps[int(np.argmin(errors))])
    return levels_of(w, step).astype(np.int8), np.array(step)


if __name__ == "__main__":
    main()
