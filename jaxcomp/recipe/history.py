"""Keeps the points of the curves of a training."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from jaxcomp import strict_json
from jaxcomp.files import replacing

_LOG = logging.getLogger(__name__)

Point = dict[str, Any]  # a point has a `phase`, a `step` within the phase, and more


class History:
    """Keeps points in memory and, as lines of JSON, in a file; use it in a `with` statement.

    The file can be followed while training runs. Points of an earlier run that is resumed stay.

    Attributes:
      points: the points of this run, and those of an earlier run that this one resumes.
    """

    def __init__(
        self, file: Path | None, keys: frozenset[str], show: Callable[[Point], None]
    ) -> None:
        """Set the file.

        Args:
          file: the file for the points; None for memory alone.
          keys: keys of each point beside `phase` and `step`.
          show: called with each point.
        """
        self.points: list[Point] = []
        self._file, self._show = file, show
        self._keys = keys | {"phase", "step"}
        self._earlier: list[Point] = []
        self._lines: TextIO | None = None

    def __enter__(self) -> Self:
        if self._file is not None:
            self._earlier = self._read(self._file)
            self._lines = self._file.open("a" if self._earlier else "w")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lines is not None:
            self._lines.close()

    def add(self, point: Point) -> None:
        """Add a point."""
        if self._lines is not None:
            self._lines.write(_line(point))
            self._lines.flush()
        self._take(point)

    def resume(self, phase: str, step: int) -> None:
        """Keep the points of the earlier run up to this step of a phase.

        Points of later phases stay in the file until their phase begins: a run that is killed again
        before that has lost none.
        """
        if self._file is None or self._lines is None or not self._earlier:
            return
        for point in self._earlier:
            if point["phase"] == phase and point["step"] <= step:
                self._take(point)
        self._earlier = [point for point in self._earlier if point["phase"] != phase]
        self._lines.close()
        with replacing(self._file) as file:
            file.write_text("".join(map(_line, [*self.points, *self._earlier])))
        self._lines = self._file.open("a")

    def _take(self, point: Point) -> None:
        self.points.append(point)
        self._show(point)

    def _read(self, file: Path) -> list[Point]:
        """Read the points that an earlier run has written; its last line may be incomplete."""
        text = file.read_text(errors="replace") if file.is_file() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        points = list(filter(None, map(self._point, lines)))
        if len(points) < len(lines):
            _LOG.warning(
                "%s: %d of %d lines are damaged and left out",
                file,
                len(lines) - len(points),
                len(lines),
            )
        return points

    def _point(self, line: str) -> Point | None:
        """Read one point, or return None if the line is damaged."""
        try:
            point = json.loads(line)
        except ValueError:
            return None
        whole = isinstance(point, dict) and point.keys() >= self._keys
        return strict_json.with_nan(point) if whole else None


def _line(point: Point) -> str:
    return strict_json.dumps(point) + "\n"
