"""GPTQ as Qwix has it: levels of 4 or 8 bits, a step for each output unit, calibration on inputs.

Qwix stores no files. Its levels and steps are written as `.jxc`, with biases of 8 bits. What Qwix
calibrates are dense layers with one contracted axis: convolutions and embeddings are rounded to
nearest, and stay float32 where it does not round them at all.
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
from jaxcomp.codec import Writer
from jaxcomp.quantize import scalar

SETTINGS: tuple[dict[str, Any], ...] = ({"levels": "int8"}, {"levels": "int4"})


def coded(
    model: nn.Module,
    params: Params,
    batches: Sequence[tuple[np.ndarray, ...]],
    settings: Sequence[dict[str, Any]] = SETTINGS,
) -> Iterator[Coded]:
    """Yield the network of a Linen model in a file for each setting, or how Qwix failed.

    Args:
      model: whose `params` these are.
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
            quantized = _quantized(model, params, batches, setting["levels"])
        except Exception as error:  # of any type: a row of the table says how
            failed = f"{type(error).__name__}: {error}"[:300]
            yield Coded(setting, None, None, failed)
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.jxc"
            yield Coded(setting, _write(path, quantized), jaxcomp.load(path))


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


def _write(path: Path, quantized: Params) -> int:
    def add(names: tuple[str, ...], one: Any) -> None:
        if isinstance(one, dict):
            for name, inner in one.items():
                add((*names, name), inner)
        elif hasattr(one, "array"):  # levels, and steps of the same number of axes
            levels, steps = np.asarray(one.array.qvalue).astype(np.int8), one.array.scale
            writer.add_levels(names, levels, np.asarray(steps, np.float32))
        elif one.ndim == 1:
            rounded = scalar.bits_levels(np.asarray(one), bits=BIAS_BITS)
            writer.add_levels(names, *rounded)
        else:
            writer.add(names, np.asarray(one))

    with Writer(path) as writer:
        add((), quantized)
    return writer.file_bytes
