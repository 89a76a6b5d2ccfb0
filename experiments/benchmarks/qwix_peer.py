"""GPTQ as Qwix has it: levels of 4 or 8 bits, a step for each output unit, calibration on inputs.

Qwix stores no files. Its levels and steps are written as `.jxc`, and through zstd, with biases of 8
bits. What Qwix calibrates are dense layers with one contracted axis: convolutions and embeddings
are rounded to nearest, and stay float32 where it does not round them at all. A table of embeddings
that is multiplied with, too, it reads in the shape of its transpose, with the entries in another
order: it is rounded to nearest here, with a step for each row.
"""

import importlib.util
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import jaxcomp
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.data_free import BIAS_BITS
from experiments.benchmarks.subject import Params
from experiments.report.storage import zstd_bytes
from jaxcomp.codec import Writer
from jaxcomp.codec.levels import FewValued
from jaxcomp.compression.arrays import Array
from jaxcomp.quantize import scalar

SETTINGS: tuple[dict[str, Any], ...] = ({"levels": "int8"}, {"levels": "int4"})
_BITS = {"int8": 8, "int4": 4}


def coded(
    model: nn.Module | None,
    params: Params,
    batches: Sequence[tuple[np.ndarray, ...]],
    settings: Sequence[dict[str, Any]] = SETTINGS,
) -> Iterator[Coded]:
    """Yield the network of a Linen model in a file for each setting, or how Qwix failed.

    Args:
      model: whose `params` these are; others than Linen's fail.
      params: of the network.
      batches: calibration inputs, as of `Subject.batches`.
      settings: dicts of `levels`, the type of the levels.

    Raises:
      ImportError: if Qwix is not installed.
    """
    if importlib.util.find_spec("qwix") is None:
        raise ImportError('Qwix is not installed: pip install "qwix==0.1.8"')
    for setting in settings:
        try:
            if model is None:
                raise TypeError("it takes modules of Linen or NNX, not functions")
            quantized = _quantized(model, params, batches, setting["levels"])
        except Exception as error:  # of any type: a row of the table says how
            failed = f"{type(error).__name__}: {error}"[:300]
            yield Coded(setting, None, None, failed)
            continue
        arrays = _stored(quantized, params, _BITS[setting["levels"]])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.jxc"
            size, values = _write(path, arrays), jaxcomp.load(path)
        yield Coded({**setting, "stored": "jxc"}, size, values)
        through_zstd = zstd_bytes(list(_parts(arrays, setting["levels"])))
        yield Coded({**setting, "stored": "zstd19"}, through_zstd, values)


def _quantized(
    model: nn.Module, params: Params, batches: Sequence[tuple[np.ndarray, ...]], levels: str
) -> Params:
    import qwix
    from qwix.contrib import gptq

    params = jax.tree.map(jnp.asarray, params)  # it knows arrays of JAX again, not those of NumPy
    rules = [gptq.GptqRule(module_path=".*", weight_qtype=levels)]
    watched = qwix.quantize_model(model, gptq.GptqCalibrationProvider(rules))
    stats: dict[str, Any] = {}
    for batch in batches:
        stats = watched.apply({"params": params, **stats}, *batch, mutable="quant_stats")[1]
    rounding = qwix.quantize_model(model, qwix.PtqProvider(rules))
    shapes = jax.eval_shape(rounding.init, jax.random.key(0), *batches[0])["params"]
    return gptq.quantize_params(params, shapes, stats["quant_stats"])


def _stored(quantized: Params, params: Params, bits: int) -> dict[tuple[str, ...], Array]:
    """Return what is stored of each array, by its names from the outside in."""
    found: dict[tuple[str, ...], Array] = {}

    def add(names: tuple[str, ...], one: Any, given: Any) -> None:
        if isinstance(one, dict):
            for name, inner in one.items():
                add((*names, name), inner, given[name])
        elif hasattr(one, "array"):  # levels, and steps of the same number of axes
            levels, steps = np.asarray(one.array.qvalue).astype(np.int8), one.array.scale
            found[names] = FewValued(levels, np.asarray(steps, np.float32))
            if levels.shape != given.shape:  # a tied embedding; see above
                found[names] = scalar.bits_levels(given, bits, axis=0)
        elif one.ndim == 1:
            found[names] = scalar.bits_levels(np.asarray(one), bits=BIAS_BITS)
        else:
            found[names] = np.asarray(one)

    add((), quantized, params)
    return found


def _write(path: Path, arrays: dict[tuple[str, ...], Array]) -> int:
    with Writer(path) as writer:
        for names, one in arrays.items():
            if isinstance(one, FewValued):
                writer.add_levels(names, *one)
            else:
                writer.add(names, one)
    return writer.file_bytes


def _parts(arrays: dict[tuple[str, ...], Array], levels: str) -> Iterator[bytes]:
    """Yield the bytes of levels, two in a byte if they have 4 bits, of steps and of the others."""
    for one in arrays.values():
        if not isinstance(one, FewValued):
            yield one.tobytes()
            continue
        own = one.levels.astype(np.int8).ravel()
        if levels == "int4" and one.levels.ndim > 1:
            own = np.append(own, np.zeros(own.size % 2, np.int8))
            own = (own[::2] << 4) | (own[1::2] & 15)
        yield own.tobytes()
        yield one.codebook.tobytes()
