"""Compresses weights to a `.jxc` file in one call."""

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
    """Describes a file that was written."""

    file_bytes: int
    tensors: tuple[TensorChange, ...]
    relative_error: float  # error of all arrays that were pruned or rounded, as one vector
    left_out: tuple[Entry, ...]  # arrays that do not belong to the network
    remarks: tuple[str, ...]  # sentences that say what else the file lacks or changes
    unit_axes: tuple[str, ...]  # says which axes were taken as those of the output units
    calibrated: Outcome | None = None  # result of calibration, if there was one


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

    With a calibration, weights are rounded by their effect on predictions, to a goal, and the
    result is measured on held-out examples. Without one, each weight array is rounded alone,
    and you measure what that costs.

    If the source is the state of a training, only the network is written: arrays under `params` or,
    if there is no such name, arrays that are not under `opt_state`, `batch_stats`, `step` or
    another name of `jaxcomp.checkpoints.selection.STATE`.

    Weights are those of `jaxcomp.trees.weight_mask`; other arrays are stored exactly, unless
    `bias_quantizer` is given. Scales of quantized weights and variances are always stored exactly.
    Without a calibration, memory holds one array at a time, and the compressed bytes.

    Args:
      source: an open checkpoint or a nested dict of arrays.
      path: where to write; an existing file is replaced.
      only: regular expression; arrays whose name has a match are the network.
      exclude: regular expression; arrays whose name has a match are not part of the network.
      keep_state: whether to write, exactly, what is not part of the network too.
      sparsity: fraction of the weights to set to zero, in [0, 1): the smallest over all tensors.
      floor: fraction of each tensor to keep in any case, from 0 to 1 - `sparsity`; at least one
        weight unless it is 0.
      quantizer: function from a weight array to levels and a codebook that keeps exact zeros, such
        as `lambda w: codebook_levels(w, 16)` (see `jaxcomp.quantize.scalar`).
      per_unit: whether to give `quantizer` the `axis` of the output units, for a level or a step
        for each, as in `ternary_levels` and `bits_levels`.
      units_on: that axis, of all weights. By default `jaxcomp.checkpoints.unit_axis` finds it for
        each array, from the metadata or the array's name; `unit_axes` of the result names it.
      trade: :math:`\lambda` of `jaxcomp.quantize.rate_distortion`; with a calibration, the loss
        that a bit is worth.
      bias_quantizer: quantizer of floating-point arrays of one axis or none. An array of positive
        numbers is stored exactly if some of them would become zero. With a calibration, the default
        rounds to 8 bits.
      calibration: a `Calibration`, with a dict of parameters as `source`; or the `Moments` of a
        file. It needs one goal: `max_kl`, `max_loss`, `size` or `trade`. It chooses zeros, steps
        and levels itself.
      max_kl: the largest mean Kullback-Leibler divergence of predictions that is allowed, in nats.
      max_loss: the largest relative growth of the calibration's own loss that is allowed.
      size: the largest number of bytes that is allowed.
      values: with a calibration, the number of values that each weight array may have, from 3,
        which are `{-c, 0, c}`, to 256; None for multiples of steps.
      tune: with a calibration that runs the network, the number of training steps after rounding.
        They train codebooks and biases on the predictions of the dense network; a few hundred are
        enough.
      progress: called with the bytes of each array that is done; with a calibration, once at the
        end.
      on_trial: with a calibration, called with each price of a bit that was tried, and the loss.

    Raises:
      ValueError: if `sparsity` or `floor` is out of range; if `trade` or `per_unit` is given
        without a quantizer, or `units_on` without `per_unit`; if an array lacks that axis; if
        `only` or `exclude` is no regular expression, or no array is left; if a weight that must be
        rounded is not finite; if a goal cannot be reached or does not fit the calibration; if the
        moments do not fit `source`; or as `Writer.add`.
      TypeError, OSError: as `Writer.add`.

    Example:
      >>> import tempfile
      >>> import jax, jaxcomp
      >>> from jaxcomp.quantize.scalar import ternary_levels
      >>> params = {"kernel": jax.random.normal(jax.random.key(0), (100, 100))}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = f"{folder}/model.jxc"
      ...     done = jaxcomp.compress(params, path, sparsity=0.9, quantizer=ternary_levels)
      >>> done.tensors[0].nonzeros, done.file_bytes < 1000  # 40,000 bytes as float32
      (1000, True)
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
