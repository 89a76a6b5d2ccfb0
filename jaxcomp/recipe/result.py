"""Reports what a recipe has made of a network."""

import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcomp import tree_files
from jaxcomp.codec import describe
from jaxcomp.text_table import text_table

PyTree = Any


class PhaseReport(NamedTuple):
    """Reports the result of one phase."""

    name: str
    steps: int
    seconds: float
    loss: float | None  # loss of the last training batch; None without training
    validation: float | None  # mean loss of the validation batches; None if there are none
    nonzeros: int  # entries of all arrays that are not zero
    file_bytes: int | None = None  # size of a file of the network; None if it is not few-valued


class Result(NamedTuple):
    """Holds the network that a recipe has made, with its curves and a report.

    * `params`: tree of arrays, with the structure of the parameters that were given.
    * `model_state`: what the loss has updated beside them; None if there is nothing.
    * `phases`: the result of each phase, in order.
    * `history`: points of the curves, a dict of `phase`, `step` and `loss` for each look.
    * `notes`: sentences that say which requests were not met.
    """

    params: PyTree
    model_state: PyTree
    phases: tuple[PhaseReport, ...]
    history: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()

    @property
    def stored(self) -> PyTree:
        """Return the tree that a file holds: the parameters, and a model state, if any."""
        return stored(self.params, self.model_state)

    def save(self, path: str | os.PathLike) -> int:
        """Write the network to a `.jxc` file, and return its size in bytes.

        With a model state the file holds a dict of `params` and `model_state`. Errors are those of
        `jaxcomp.save`.
        """
        return tree_files.save(path, self.stored)

    def report(self) -> str:
        """Return a table of the phases, one of the bytes of each array, and the notes."""
        phases = [("phase", "steps", "seconds", "loss", "validation", "non-zeros", "bytes")]
        phases += [
            (
                one.name,
                f"{one.steps:,}",
                f"{one.seconds:.1f}",
                _number(one.loss),
                _number(one.validation),
                f"{one.nonzeros:,}",
                "" if one.file_bytes is None else f"{one.file_bytes:,}",
            )
            for one in self.phases
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.jxc"
            size = self.save(path)
            tensors = describe(path).tensors
        arrays = [("array", "shape", "non-zeros", "bytes")]
        arrays += [
            (
                one.name,
                " x ".join(map(str, one.shape)) or "scalar",
                f"{one.nonzeros:,}",
                f"{one.payload_bytes:,.0f}",
            )
            for one in tensors
        ]
        tables = (text_table(rows, numbers=True) for rows in (phases, arrays))
        before = sum(leaf.size * 4 for leaf in jax.tree.leaves(self.stored))
        total = f"{size:,} bytes, {before / size:.1f} times smaller than float32"
        return "\n\n".join([*tables, total, *self.notes])

    def figure(self) -> Any:
        """Return a figure of the training loss, and of the result of each phase.

        Raises:
          ImportError: if Matplotlib is not installed.
        """
        from jaxcomp.analysis.plots.recipe import recipe_figure

        return recipe_figure(self.phases, self.history)


def stored(params: PyTree, model_state: PyTree) -> PyTree:
    """Return the tree that a file of a network holds."""
    if model_state is None:
        return params
    return {"params": params, "model_state": model_state}


def file_bytes(params: PyTree, model_state: PyTree = None) -> int:
    """Return the size of the file that would be written now."""
    with tempfile.TemporaryDirectory() as folder:
        return tree_files.save(Path(folder) / "network.jxc", stored(params, model_state))


def nonzeros(params: PyTree) -> int:
    """Count the entries of all arrays that are not zero."""
    return sum(int(np.count_nonzero(leaf)) for leaf in jax.tree.leaves(params))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
