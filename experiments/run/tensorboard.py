"""Curves of a run for TensorBoard, written without TensorFlow."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self


class TensorBoard:
    """Writes the points of `jaxcomp.recipe.curves.Curves` as events (used as a context).

    Each phase has its own curves, `PHASE/NAME`, over the steps within it. Look at them by
    `tensorboard --logdir=FOLDER`.
    """

    def __init__(self, folder: Path):
        """Raises ImportError where the package that writes events is not installed."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "curves for TensorBoard need the package tensorboardX: "
                'pip install "jaxcomp[tensorboard]"'
            ) from error
        self._writer = SummaryWriter(str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        self._writer.close()

    def __call__(self, point: dict[str, Any]) -> None:
        """Add the numbers of a point to the curves of its phase."""
        phase, step = point["phase"], point["step"]
        for name, value in point.items():
            if name not in ("phase", "step"):
                self._writer.add_scalar(f"{phase}/{name}", value, step)
