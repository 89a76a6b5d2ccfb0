"""Tolerances by kind of claim, and inputs shared by tests."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"

IDENTITY = 1e-6  # the same number on two ways, in float32
IDENTITY_X64 = 1e-12  # the same in float64
FINITE_DIFFERENCE = 1e-5  # check_grads in float64


def weights(max_size: int = 30):
    """Non-zero float32 vectors with zeros among their entries, of ordinary size."""
    entries = st.floats(-100, 100, width=32).map(lambda x: 0.0 if abs(x) < 1e-3 else x)
    # Of few lengths, since what is tested compiles for each one.
    lengths = [length for length in (1, 2, 5, 30) if length <= max_size]
    vectors = hnp.arrays(np.float32, st.sampled_from(lengths), elements=entries)
    return vectors.filter(np.any)


def closed_form_gradient(w: np.ndarray) -> np.ndarray:
    """`sign(w_i) / r - a w_i / r^3` in float64, with sign(0) = 0."""
    w = np.asarray(w, np.float64)
    a, r = np.abs(w).sum(), np.sqrt((w * w).sum())
    return np.sign(w) / r - a * w / r**3


def small_params(seed: int = 0) -> dict:
    """Two dense layers in Linen's form, with some exact zeros in the kernels."""
    rng = np.random.default_rng(seed)  # compiles nothing

    def layer(*shape):
        kernel, bias = rng.normal(size=shape), rng.normal(size=shape[1:])
        kernel[abs(kernel) <= 0.5] = 0
        return {
            name: jnp.asarray(w, jnp.float32) for name, w in (("kernel", kernel), ("bias", bias))
        }

    return {"Dense_0": layer(5, 4), "Dense_1": layer(4, 3)}


def sharded(tree, axis: int = 0, kind: jax.sharding.AxisType = jax.sharding.AxisType.Auto):
    """Arrays spread over eight devices along an axis."""
    mesh = jax.make_mesh((8,), ("shards",), axis_types=(kind,))
    spec = jax.sharding.PartitionSpec(*[None] * axis, "shards")
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, spec))


def run_module(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m module arguments` as a user runs it, in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
    )


def lines(axes) -> dict:
    """The points of each line that is drawn, by its label."""
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def run_examples(page: str, folder: Path, monkeypatch) -> dict:
    """Run the Python blocks of a page in a folder, one after the other; return their names."""
    monkeypatch.chdir(folder)
    namespace: dict = {}
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, namespace)
    return namespace
