"""One call from weights to a `.jxc` file."""

import os
from collections.abc import Callable
from typing import NamedTuple

from jaxcomp.checkpoints import Checkpoint, Entry, UnitAxis, describe_axes, unit_axis
from jaxcomp.codec.names import NestedMapping
from jaxcomp.compression.arrays import Arrays, TensorChange, in_memory
from jaxcomp.compression.calibrated import Outcome, compress_calibrated
from jaxcomp.compression.calibration import Calibration
from jaxcomp.compression.data_free import Quantizer, round_alone
from jaxcomp.compression.moments_file import Moments


class Compressed(NamedTuple):
    """A file that was written."""

    file_bytes: int
    tensors: tuple[TensorChange, ...]
    relative_error: float  # of all arrays that were pruned or rounded, as one vector
    left_out: tuple[Entry, ...]  # arrays that are not of the network
    remarks: tuple[str, ...]  # on what else of the checkpoint is not in the file as it was
    unit_axes: tuple[str, ...]  # on which axes the output units were taken to be
    calibrated: Outcome | None = None  # what calibration came to, where there was one


def compress(
    source: Checkpoint | NestedMapping,
    path: str | os.PathLike,
    *,
    only: str | None = None,
    exclude: str | None = None,
    keep_state: bool = False,
    sparsity: float = 0.0,
    floor: float = 0.0,
    quantizer: Quantizer | None = None,
    trade: float = 0.0,
    per_unit: bool = False,
    units_on: int | None = None,
    bias_quantizer: Quantizer | None = None,
    calibration: Calibration | Moments | None = None,
    max_kl: float | None = None,
    max_loss: float | None = None,
    size: int | None = None,
    values: int | None = None,
    tune: int = 0,
    progress: Callable[[int], None] = lambda done: None,
    on_trial: Callable[[float, float], None] = lambda trade, lost: None,
) -> Compressed:
    r"""Prune and round the weights of a network, and write them to a `.jxc` file.

    With a calibration weights are rounded by what they do, to a goal, and the result is judged on
    examples that were held back. Without one they are rounded by themselves; what that costs is for
    the caller to measure.

    Of the state of a training only the network is written: what lies under `params`, or, where
    there is no such name, what does not lie under `opt_state`, `batch_stats`, `step` or another
    name of `jaxcomp.checkpoints.selection.STATE`.
    Weights are those of `jaxcomp.trees.weight_mask`; others are stored exactly, unless
    `bias_quantizer` is given. Scales of quantized weights and variances are stored exactly in any
    case. Without a calibration one array at a time is in memory, and the compressed bytes.

    Args:
      source: an open checkpoint or a nested dict of arrays.
      path: where to write; an existing file is replaced.
      only: regular expression; arrays that have a match in their name are the network.
      exclude: regular expression; arrays that have a match in their name are not.
      keep_state: write what is not of the network too, exactly.
      sparsity: fraction of the weights to set to zero, in [0, 1): the smallest over all tensors.
      floor: fraction of each tensor to keep whatever others have, from 0 to 1 - `sparsity`; at
        least one weight unless it is 0.
      quantizer: function from a weight array to levels and a codebook that leaves exact zeros
        alone, such as `lambda w: codebook_levels(w, 16)` (see `jaxcomp.quantize.scalar`).
      per_unit: give `quantizer` the `axis` of the output units, for a level or a step for each, as
        `ternary_levels` and `bits_levels` have them.
      units_on: that axis, of all weights. By default it is found for each array by
        `jaxcomp.checkpoints.unit_axis`, from the metadata or the array's name; `unit_axes` of the
        result says which it was.
      trade: :math:`\lambda` of `jaxcomp.quantize.rate_distortion`; with a calibration the loss that
        a bit is worth.
      bias_quantizer: the same for floating-point arrays of one axis or none. An array of positive
        numbers of which it would make zeros is stored exactly. With a calibration it is rounding
        to the steps of 8 bits by default.
      calibration: how the network is run and on what, with `source` a dict of its parameters; or
        the `Moments` of a file. It needs one goal: `max_kl`, `max_loss`, `size` or `trade`. Zeros,
        steps and levels follow from it.
      max_kl: the mean Kullback-Leibler divergence of predictions to stay below, in nats.
      max_loss: the growth of the calibration's own loss to stay below, as a share of it.
      size: bytes to stay below.
      values: with a calibration, how many different ones each weight array may have, from 3, which
        are `{-c, 0, c}`, to 256; None for multiples of steps.
      tune: with a calibration that runs the network, steps of training after the rounding: of
        codebooks and biases, on what the dense network predicts. A few hundred are enough.
      progress: called with the bytes of each array that is done; with a calibration once, at the
        end.
      on_trial: with a calibration, called with each price of a bit that was tried, and the loss.

    Raises:
      ValueError: if `sparsity` is outside [0, 1) or `floor` outside of its bounds, `trade` or
        `per_unit` is given without a quantizer, or `units_on` without `per_unit`, an array has no
        such axis, `only` or `exclude` is no regular expression, no array is left, a weight is not
        finite where it has to be rounded, a goal cannot be reached or is not that of the
        calibration, moments are not those of `source`, or as `Writer.add`.
      TypeError, OSError: as `Writer.add`.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is the fraction of weights to drop, in [0, 1), got {sparsity}")
    if not 0 <= floor <= 1 - sparsity + 1e-9:
        raise ValueError(
            f"floor is the fraction of each tensor to keep, from 0 to {1 - sparsity:g}, got {floor}"
        )
    if per_unit and quantizer is None:
        raise ValueError("per_unit is for weights that are rounded: give a quantizer")
    if units_on is not None and not per_unit and calibration is None:
        raise ValueError(f"units_on={units_on} is for levels of units: give per_unit=True")
    checkpoint = source if isinstance(source, Checkpoint) else in_memory(source)
    arrays = Arrays(checkpoint, only, exclude, keep_state)
    if calibration is not None:
        if isinstance(calibration, Calibration) and isinstance(source, Checkpoint):
            raise ValueError(
                "a calibration runs the network: give its parameters as a dict, not a checkpoint"
            )
        if quantizer is not None or sparsity or floor:
            raise ValueError(
                "calibration chooses zeros and steps by itself: leave out quantizer, sparsity and "
                "floor"
            )
        if units_on is not None and isinstance(calibration, Calibration):
            raise ValueError("a network that is run knows its axes: leave out units_on")
        goals = {"max_kl": max_kl, "max_loss": max_loss, "size": size, "trade": trade or None}
        written, outcome = compress_calibrated(
            source,
            path,
            arrays,
            calibration,
            goals,
            bias_quantizer=bias_quantizer,
            units_on=units_on,
            values=values,
            tune=tune,
            progress=progress,
            on_trial=on_trial,
        )
        return Compressed(*written, arrays.remarks, (), outcome)
    if values is not None or tune:
        raise ValueError("values and tune go with a calibration: give one, or a quantizer instead")
    if trade and quantizer is None:
        raise ValueError("lambda is for weights that are rounded: choose how")
    if not (max_kl is None and max_loss is None and size is None):
        raise ValueError("max_kl, max_loss and size are found by trying: give a calibration")
    axes: dict[Entry, UnitAxis] = {}
    if per_unit:
        axes = {one: unit_axis(one, checkpoint.metadata, units_on) for one in arrays.weights}
    after = round_alone(
        arrays,
        quantizer,
        bias_quantizer,
        trade=trade,
        axes=axes,
        sparsity=sparsity,
        floor=floor,
    )
    written = arrays.write(path, after, progress)
    return Compressed(*written, arrays.remarks, describe_axes(axes.values()))
