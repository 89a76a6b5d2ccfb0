"""Watches a run of a recipe by a progress bar, points of the curves and checkpoints."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax

from jaxcomp import strict_json
from jaxcomp.recipe.bar import TrainingBar
from jaxcomp.recipe.curves import Curves
from jaxcomp.recipe.progress import Progress
from jaxcomp.recipe.watch import Watch, both
from jaxcomp.screen import PlainConsole
from jaxcomp.train.checksum import checksum

PyTree = Any
_SECONDS = 60.0  # the shortest time between two checkpoints, in seconds
_RUN, _HISTORY, _STATES = "run.json", "history.jsonl", "checkpoints"


class Watching:
    """Shows a run on a terminal, and keeps it in a folder.

    Attributes:
      points: points of the curves.
    """

    def __init__(self, total_steps: int, folder: Path | None) -> None:
        """Set the steps of all phases, and a folder, or None to keep nothing."""
        self._folder = folder
        file = None if folder is None else folder / _HISTORY
        console = PlainConsole(stderr=True)
        bar = TrainingBar(
            console,
            total_steps,
            "loss",
            lambda point: f"{point['loss']:.4g}",
            disable=not console.is_terminal,
        )
        self._curves = Curves(bar, file, {})
        self.points = self._curves.points

    def check_same_run(self, recipe: str, start: PyTree) -> None:
        """Make the folder, and note which run it belongs to.

        Args:
          recipe: the recipe as text.
          start: all arrays that the run begins with.

        Raises:
          ValueError: if the folder belongs to another run.
        """
        if self._folder is None:
            return
        recipe = re.sub(r" at 0x[0-9a-f]+", "", recipe)  # drop addresses of objects
        this = {"recipe": recipe, "start": checksum(jax.tree.leaves(start))}
        file = self._folder / _RUN
        if file.is_file():
            other = strict_json.read(file, "delete the folder to begin anew")
            if other != this:
                what = "recipe" if other.get("recipe") != recipe else "parameters or key"
                raise ValueError(
                    f"{self._folder} has a run with another {what}: give the same to resume it, "
                    "another folder, or delete this one"
                )
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
            strict_json.write(file, this)

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Yield the functions that look at the states, while the run lasts."""
        with ExitStack() as stack:
            watch = stack.enter_context(self._curves).watch
            if self._folder is not None:
                saved = stack.enter_context(Progress(self._folder / _STATES, _SECONDS))
                watch = both(watch, saved.watch)
            yield watch

    def last_loss(self, phase: str) -> float | None:
        """Return the last training loss of a phase that was seen, or None."""
        losses = [point["loss"] for point in self.points if point["phase"] == phase]
        return losses[-1] if losses else None
