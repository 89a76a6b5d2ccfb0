"""Reads and writes moments of layer inputs, which any framework can collect.

The file is an `.npz` file with these arrays for each weight. Its name in the checkpoint has its
parts joined by `/`. Only one of the first two is needed.

* `NAME:second`: the mean of `x x^T` over the rows `x` that the weight is multiplied with, [inputs,
  inputs]. Inputs are in the order of the weight: all axes except that of the outputs, in row-major
  order; for a convolution they are patches. If the array holds several matrices, this is [matrices,
  inputs, inputs]: layers of a stack, and in each of them the groups of a convolution.
* `NAME:diagonal`: the diagonal of that matrix, [inputs] or [matrices, inputs], if the matrix would
  be too large.
* `NAME:mean`: the mean of `x`, [inputs] or [matrices, inputs]. With it, the bias can compensate for
  what rounding does to the means of the outputs.
* `NAME:bias`: text, the name of the array that is added to the outputs.
* `NAME:sensitivities`: how much outputs matter. It is the mean of `g g^T` over predictions, for
  derivatives `g` of the loss with respect to outputs, [outputs, outputs] or [matrices, outputs,
  outputs]; or its diagonal, [outputs] or [matrices, outputs]. Without it all outputs matter
  equally.
* `NAME:outputs`, `NAME:stack`: the axes of outputs and of a stack. `NAME:groups`: the groups of a
  convolution. Without them the outputs are on the axis that `jaxcomp.checkpoints.unit_axis`
  returns.
"""

import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcomp.checkpoints import Entry, unit_axis
from jaxcomp.compression.layers import Layer
from jaxcomp.files import replacing
from jaxcomp.quantize.factors import diagonal_of

_PARTS = ("second", "diagonal", "mean", "bias", "sensitivities", "outputs", "stack", "groups")


class Known(NamedTuple):
    """Holds what a file says of one weight."""

    layer: Layer
    second: np.ndarray  # float64 [matrices, inputs, inputs], or diagonals [matrices, inputs]
    sensitivities: np.ndarray  # the same for outputs
    mean: np.ndarray | None  # float64 [matrices, inputs]
    bias: str | None


class Moments:
    """Reads the moments in a file; arrays are read when they are asked for.

    Args:
      path: path of the `.npz` file; see `jaxcomp.compression.moments_file` for its layout.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is no such file.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp.compression import Moments
      >>> inputs = np.random.default_rng(0).normal(size=(1000, 20))  # of a layer in any framework
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = f"{folder}/moments.npz"
      ...     np.savez(path, **{"layer/kernel:second": inputs.T @ inputs / 1000})
      ...     Moments(path).names  # give it to `jaxcomp.compress` as `calibration`
      ('layer/kernel',)
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._path = Path(path)
        try:
            self._arrays = np.load(path)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is no .npz file of moments: {error}") from error
        if not isinstance(self._arrays, np.lib.npyio.NpzFile):
            raise ValueError(f"{path} is no .npz file of moments, but one array")
        self._parts: dict[str, set[str]] = {}
        for key in self._arrays.files:
            name, _, part = key.rpartition(":")
            if part not in _PARTS or not name:
                raise ValueError(
                    f"{path} has an array {key!r}: its arrays are called NAME:PART, with one of "
                    f"{', '.join(_PARTS)}"
                )
            self._parts.setdefault(name, set()).add(part)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the weights."""
        return tuple(self._parts)

    def of(self, entry: Entry, metadata: Mapping[str, str], units_on: int | None = None) -> Known:
        """Return what the file says of a weight of a checkpoint.

        Args:
          entry: the weight.
          metadata: metadata of the checkpoint.
          units_on: the axis of outputs, if the file does not say it.

        Raises:
          ValueError: if the file has no moments of the weight, or they do not fit, or are no
            moments.
        """
        parts = self._parts.get(entry.name, set())
        layer = self._layer(entry, metadata, units_on)
        matrices, inputs, outputs = layer.sizes()
        if "second" in parts:
            second = self._squares(entry.name, "second", (matrices, inputs, inputs))
        elif "diagonal" in parts:
            second = self._squares(entry.name, "diagonal", (matrices, inputs))
        else:
            raise ValueError(f"{self._path} has no moments of {entry.name!r}")
        sensitivities = np.ones((matrices, outputs))
        if "sensitivities" in parts:
            sensitivities = self._sensitivities(entry.name, matrices, outputs)
        mean = None
        if "mean" in parts:
            mean = self._array(entry.name, "mean", (matrices, inputs))
        bias = str(self._read(entry.name, "bias")) if "bias" in parts else None
        return Known(layer, second, sensitivities, mean, bias)

    def _layer(self, entry: Entry, metadata: Mapping[str, str], units_on: int | None) -> Layer:
        def axes(part: str) -> tuple[int, ...] | None:
            if part not in self._parts.get(entry.name, ()):
                return None
            return tuple(int(axis) for axis in np.ravel(self._read(entry.name, part)))

        outputs = axes("outputs")
        if outputs is None:
            outputs = (unit_axis(entry, metadata, units_on).axis % len(entry.shape),)
        (groups,) = axes("groups") or (1,)
        stack = axes("stack") or ()
        named = (*outputs, *stack)
        if len(set(named)) < len(named) or not all(0 <= a < len(entry.shape) for a in named):
            raise ValueError(
                f"{self._path}: {entry.name!r} of shape {entry.shape} has no outputs on the axes "
                f"{outputs} and a stack on {stack}"
            )
        if groups < 1 or math.prod(entry.shape[a] for a in outputs) % groups:
            raise ValueError(f"{self._path}: {entry.name!r} cannot have {groups} groups")
        return Layer(entry.shape, outputs, stack, groups)

    def _read(self, name: str, part: str) -> np.ndarray:
        try:
            return self._arrays[f"{name}:{part}"]
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{self._path}: {name}:{part} is damaged: {error}") from error

    def _sensitivities(self, name: str, matrices: int, outputs: int) -> np.ndarray:
        """Return sensitivities as products of all outputs, or of each output with itself."""
        shape = np.shape(self._read(name, "sensitivities"))
        whole = len(shape) == 3 or (matrices == 1 and shape == (outputs, outputs))
        wanted = (matrices, outputs, outputs) if whole else (matrices, outputs)
        return self._squares(name, "sensitivities", wanted)

    def _squares(self, name: str, part: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return moments [matrices, k, k], or diagonals [matrices, k]."""
        array = self._array(name, part, shape)
        if array.ndim == 3:
            array = (array + array.swapaxes(1, 2)) / 2
        diagonal = diagonal_of(array)
        if (diagonal < 0).any():
            raise ValueError(
                f"{self._path}: the diagonal of {name}:{part} has {diagonal.min():g}, and squares "
                "have no negative mean"
            )
        return array

    def _array(self, name: str, part: str, shape: tuple[int, ...]) -> np.ndarray:
        array = np.asarray(self._read(name, part), np.float64)
        if array.shape == shape[1:] and shape[0] == 1:
            array = array[None]
        if array.shape != shape:
            wanted = shape if shape[0] > 1 else shape[1:]
            raise ValueError(
                f"{self._path}: {name}:{part} has shape {array.shape}, and the checkpoint's array "
                f"needs {wanted}: are they of the same network, and its outputs on that axis?"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{self._path}: {name}:{part} has values that are not finite")
        return array


def write_moments(path: str | os.PathLike, known: Mapping[str, Known]) -> None:
    """Write moments of weights, by name, to a file that `Moments` reads."""
    arrays: dict[str, np.ndarray] = {}
    for name, one in known.items():
        part = "diagonal" if one.second.ndim == 2 else "second"
        arrays[f"{name}:{part}"] = one.second.astype(np.float32)
        arrays[f"{name}:sensitivities"] = one.sensitivities.astype(np.float32)
        arrays[f"{name}:outputs"] = np.array(one.layer.outputs, np.int64)
        if one.layer.stack:
            arrays[f"{name}:stack"] = np.array(one.layer.stack, np.int64)
        if one.layer.groups > 1:
            arrays[f"{name}:groups"] = np.array(one.layer.groups)
        if one.mean is not None:
            arrays[f"{name}:mean"] = one.mean.astype(np.float32)
        if one.bias is not None:
            arrays[f"{name}:bias"] = np.array(one.bias)
    with replacing(Path(path)) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # no array is `allow_pickle`
