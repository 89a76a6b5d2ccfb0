"""Shows the progress bar of a training."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jaxcomp.recipe.history import Point


class TrainingBar(Progress):
    """Shows the phase, the steps, the remaining time and a number; use it in a `with` statement."""

    def __init__(
        self,
        console: Console,
        total_steps: int,
        label: str,
        number: Callable[[Point], str],
        *,
        disable: bool = False,
    ) -> None:
        """Set what the bar shows.

        Args:
          console: the console to show it on.
          total_steps: steps of all phases.
          label: name of the number.
          number: returns the number, given a point of the curves.
          disable: whether nothing is shown.
        """
        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            TextColumn(label + " {task.fields[number]}"),
        )
        super().__init__(*columns, console=console, disable=disable)
        self._number = number
        self._seen: dict[str, int] = {}  # steps that were shown, by phase
        self._task = self.add_task("start", total=total_steps, number="-")

    def show(self, point: Point) -> None:
        """Advance to a point of the curves."""
        phase, step = point["phase"], point["step"]
        made = step - self._seen.get(phase, 0)
        self._seen[phase] = step
        self.update(self._task, advance=made, description=phase, number=self._number(point))
