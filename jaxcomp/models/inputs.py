"""Describes which inputs a network takes."""

from typing import NamedTuple


class Images(NamedTuple):
    """Describes a network of images [n, height, width, channels]."""

    least: int = 1  # fewest pixels of height and width
    multiple: int = 1  # height and width are multiples of this

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise a ValueError that says why, unless inputs of this shape fit."""
        if len(shape) != 3:
            raise ValueError("it takes images, not text")
        if min(shape[:2]) < self.least or any(side % self.multiple for side in shape[:2]):
            multiple = f", a multiple of {self.multiple}" if self.multiple > 1 else ""
            height, width, _ = shape
            raise ValueError(
                f"it takes images of at least {self.least} pixels along each axis{multiple}, not "
                f"{height} x {width}"
            )


class Tokens(NamedTuple):
    """Describes a network of tokens [n, length], integers."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise a ValueError that says why, unless inputs of this shape fit."""
        if len(shape) != 1:
            raise ValueError("it takes text, not images")
