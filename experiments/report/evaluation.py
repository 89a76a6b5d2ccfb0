"""What a network is judged by: its accuracy, its non-zero weights, the bytes of its file."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxcomp
from experiments.training.objective import EVALUATION_BATCH
from jaxcomp.data import Split
from jaxcomp.train import evaluate
from jaxcomp.trees import select

PyTree = Any


def judged(metrics: Callable, params: PyTree, examples: Split) -> dict[str, float]:
    """Return means over the examples; see `classification_metrics`."""
    return evaluate(metrics, params, examples.batches(EVALUATION_BATCH))


def accuracy(metrics: Callable, params: PyTree, examples: Split) -> float:
    """Return the share of examples that are classified rightly; see `classification_metrics`."""
    return judged(metrics, params, examples)["accuracy"]


def error(metrics: Callable, params: PyTree, examples: Split) -> float:
    """Return the percent of examples that are classified wrongly; see `classification_metrics`."""
    return 100 * (1 - accuracy(metrics, params, examples))


def nonzero_weights(params: PyTree) -> int:
    """Count the weights that are not zero; biases are not counted."""
    return sum(int(np.count_nonzero(w)) for w in select(params, None))


def through_file(params: PyTree) -> tuple[PyTree, int]:
    """Return what is read back from a `.jxc` file of the parameters, and the bytes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.jxc"
        size = jaxcomp.save(path, params)
        return jaxcomp.load(path), size


def same_arrays(one: PyTree, other: PyTree) -> bool:
    """Tell whether two trees have the same structure and the same bits."""
    leaves, structure = jax.tree.flatten(one)
    others, other_structure = jax.tree.flatten(other)
    return structure == other_structure and all(
        np.asarray(a).dtype == np.asarray(b).dtype
        and np.shape(a) == np.shape(b)
        and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(leaves, others, strict=True)
    )
