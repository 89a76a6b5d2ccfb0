"""Constants and biases go through random sums and products, and the function stays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.prune import remove_dead_units
from tests.tracing.random_programs import random_program

# What can pass a constant on, and a few operations that cannot.
NAMES = [
    *("add", "sub", "mul", "product", "product again", "convolution", "sum", "negative"),
    *("sum of windows", "max of windows", "concatenate", "split", "stack", "slice", "reshape"),
    *("transpose", "broadcast", "barrier", "reduce max", "reverse", "take, known", "pad"),
    "bfloat16",
]


def check(seed):
    """Return how many weights went, and in how many places a last bias became another one."""
    rng = np.random.default_rng(seed)
    made = random_program(seed, length=3 + seed % 5, names=NAMES)
    x = made.inputs[0]
    # Some inputs are constant in all places, or in some.
    row = (1,) * (x.ndim - 1) + x.shape[-1:]
    mask = (rng.random(x.shape if seed % 2 else row) < 0.5).astype(np.float32)
    bias = rng.integers(-2, 3, row if seed % 3 else x.shape).astype(np.float32)
    params = {"program": made.params, "bias": bias}

    def results(p, x):
        return made.apply(p["program"], x * mask + p["bias"])[-1]

    def apply(p, x):
        return jnp.tanh(results(p, x) + p["last"])

    shape = jax.eval_shape(results, params, x).shape
    params["last"] = rng.integers(-1, 2, shape).astype(np.float32)
    run = jax.jit(jax.vmap(apply, in_axes=(None, 0)))
    before = np.asarray(run(params, made.inputs))
    result = remove_dead_units(params, jaxcomp.trace(apply, params, x))
    assert result.nonzeros_after <= result.nonzeros_before
    after = run(result.params, made.inputs)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3, err_msg=f"{seed}: {made.names}")
    last = np.asarray(result.params["last"])
    changed = int(((last != params["last"]) & (last != 0)).sum())
    return result.nonzeros_before - result.nonzeros_after, changed


@pytest.mark.usefixtures("standard_promotion")
def test_some_random_sums():
    gone, changed = np.sum([check(seed) for seed in range(12)], axis=0)
    assert gone > 50
    assert changed > 0


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("part", range(3))
def test_many_random_sums(part):
    for seed in range(1000 + 100 * part, 1100 + 100 * part):
        check(seed)
