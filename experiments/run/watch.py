"""What is seen of a run: its progress, and the points of its curves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from experiments.report.evaluation import accuracy
from jaxcomp.data import Split
from jaxcomp.losses import compressibility_tree
from jaxcomp.recipe.bar import TrainingBar
from jaxcomp.recipe.curves import Curves

PyTree = Any
_ACCURACY = "validation_accuracy"


def curves_of(
    metrics: Callable,
    validation: Split,
    total_steps: int,
    console: Console,
    file: Path,
    also: Callable[[dict[str, Any]], None] = lambda point: None,
) -> Curves:
    """Return the curves of a run: also of its accuracy and of the loss of all its weights.

    Args:
      metrics: see `classification_metrics`.
      validation: what accuracy is measured on.
      total_steps: of all phases.
      console: where the progress is shown.
      file: where points are written, a line of JSON each. It can be followed while training runs.
      also: is given each point.
    """
    compressibility = jax.jit(compressibility_tree)
    bar = TrainingBar(
        console, total_steps, "validation accuracy", lambda point: f"{point[_ACCURACY]:.4f}"
    )
    measures = {
        _ACCURACY: lambda params: accuracy(metrics, params, validation),
        "compressibility": lambda params: float(compressibility(params)),
    }
    return Curves(bar, file, measures, also)
