"""What tracing says of constants and needs is true of random programs, by brute force."""

import jax
import numpy as np
import pytest

import jaxcomp
from jaxcomp.tracing.constants import constants_of
from jaxcomp.tracing.needed import needed_of
from tests.tracing.random_programs import random_program


def check(seed):
    made = random_program(seed)
    run = jax.jit(jax.vmap(made.apply, in_axes=(None, 0)))
    results = [np.asarray(y) for y in run(made.params, made.inputs)]
    if not all(np.isfinite(y).all() and (abs(y) < 1e6).all() for y in results):
        return 0, 0
    constants = check_constants(made, results, seed)
    return constants, check_needs(made, run, results, seed)


def check_constants(made, results, seed):
    network = jaxcomp.trace(made.apply, made.params, made.inputs[0])
    known = constants_of(network.program, made.params)
    found = 0
    for name, array, values in zip(made.names, network.program.outputs, results, strict=True):
        value, varies = (np.broadcast_to(field, values.shape[1:]) for field in known[array])
        assert known[array].value.dtype == values.dtype
        for one in values:
            np.testing.assert_allclose(
                one[~varies], value[~varies], rtol=1e-5, atol=1e-5, err_msg=f"{seed}: {name}"
            )
        found += int((~varies).sum())
    return found


def check_needs(made, run, results, seed):
    """All entries that are not needed for the last results become other ones at once."""
    network = jaxcomp.trace(lambda p, x: made.apply(p, x)[-2:], made.params, made.inputs[0])
    needs = needed_of(network.program, constants_of(network.program, made.params))
    rng = np.random.default_rng(seed)
    for _ in range(2):
        others = [
            np.where(need, param, rng.integers(-3, 4, param.shape).astype(np.float32))
            for param, need in zip(made.params, needs, strict=True)
        ]
        for last, changed in zip(results[-2:], run(others, made.inputs)[-2:], strict=True):
            np.testing.assert_allclose(
                changed, last, rtol=1e-5, atol=1e-5, err_msg=f"{seed}: {made.names}"
            )
    return sum(int((~need).sum()) for need in needs)


@pytest.mark.usefixtures("standard_promotion")
def test_some_random_programs():
    found = np.sum([check(seed) for seed in range(12)], axis=0)
    assert (found > 50).all()


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("part", range(3))
def test_many_random_programs(part):
    for seed in range(1000 + 100 * part, 1100 + 100 * part):
        check(seed)
