"""The progress bar of a training."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def training_bar(console: Console, last: str, *, hidden: bool = False) -> Progress:
    """Return a bar with the phase, the steps and the time that is left.

    Args:
      console: where it is shown.
      last: format of the column at the end, such as `"loss {task.fields[loss]}"`.
      hidden: whether nothing is shown.
    """
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeRemainingColumn(),
        TextColumn(last),
    )
    return Progress(*columns, console=console, disable=hidden)
