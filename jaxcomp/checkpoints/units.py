"""Finds the axis on which arrays of a checkpoint have their output units."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jaxcomp.checkpoints.checkpoint import Entry
from jaxcomp.leaf_names import parent_and_last

_FIRST, _LAST = 0, -1
# The metadata of a .safetensors file have a `format` that names the framework.
_FORMATS = {"pt": (_FIRST, "PyTorch"), "flax": (_LAST, "Flax"), "tf": (_LAST, "TensorFlow")}
_PLACES = {_FIRST: "the first axis", _LAST: "the last axis"}


class UnitAxis(NamedTuple):
    """Holds an axis, and how it was found."""

    axis: int
    why: str


def unit_axis(entry: Entry, metadata: Mapping[str, str], given: int | None = None) -> UnitAxis:
    """Return the axis of the output units of a weight.

    The format of a file does not tell the axis, since every format can hold arrays of every
    framework. The metadata tell it, or else the name: Flax and Keras call weights `kernel` and
    `embedding` and have units on the last axis; PyTorch and Equinox call them `weight` and have
    units on the first. If neither tells it, it is the last axis.

    Args:
      entry: an array of weights.
      metadata: text about the whole checkpoint.
      given: the axis that the user names, or None.

    Raises:
      ValueError: if the array has no such axis.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.checkpoints import Entry, unit_axis
      >>> unit_axis(Entry(("0", "weight"), (10, 20), np.dtype("float32")), {})
      UnitAxis(axis=0, why='as PyTorch and Equinox have it, by the name')
    """
    rank = len(entry.shape)
    if given is not None:
        if not -rank <= given < rank:
            raise ValueError(
                f"{entry.name!r} has {rank} axes, and none of number {given}: give one from "
                f"{-rank} to {rank - 1}, or leave the array out"
            )
        return UnitAxis(given, "as given")
    if metadata.get("format") in _FORMATS:
        axis, writer = _FORMATS[metadata["format"]]
        return UnitAxis(axis, f"the metadata says {writer}")
    last = parent_and_last(entry.name)[1]
    if last in ("kernel", "embedding"):
        return UnitAxis(_LAST, "as Flax has it, by the name")
    if last.endswith("weight"):
        return UnitAxis(_FIRST, "as PyTorch and Equinox have it, by the name")
    return UnitAxis(_LAST, "a guess, nothing says which: see --unit-axis")


def describe_axes(axes: Iterable[UnitAxis]) -> tuple[str, ...]:
    """Return a text for each axis that was found: for how many arrays, and why.

    Example:
      >>> from jaxcomp.checkpoints import UnitAxis, describe_axes
      >>> describe_axes([UnitAxis(-1, "the metadata says Flax")] * 2)
      ('the last axis of 2 arrays (the metadata says Flax)',)
    """
    counts: dict[UnitAxis, int] = {}
    for one in axes:
        counts[one] = counts.get(one, 0) + 1
    return tuple(
        f"{_PLACES.get(axis, f'axis {axis}')} of {n} array{'s' if n > 1 else ''} ({why})"
        for (axis, why), n in counts.items()
    )
