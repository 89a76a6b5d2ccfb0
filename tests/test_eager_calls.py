"""Outside of `jit` too, what is called again with the same shapes compiles nothing."""

import logging

import jax
import jax.numpy as jnp
import pytest

import jaxcomp
from jaxcomp.losses import penalty_tree
from jaxcomp.losses.ratio import level_of, ratio_of
from jaxcomp.prune import Units, top_k_mask
from jaxcomp.prune.masks import threshold_mask
from jaxcomp.quantize import few_levels, ternarize
from tests.helpers import small_params


def update(make):
    """A function that makes a transformation once, and is called as its update."""
    tx, params = make(), small_params()
    state = tx.init(params)
    return lambda: tx.update(params, state, params)


def prox_of(weight):
    return jaxcomp.apply_prox("ratio", weight, 0.5)


CALLS = {
    "ratio_of": lambda: lambda: ratio_of([jnp.ones((3, 2))]),
    "level_of": lambda: lambda: level_of([jnp.ones((3, 2))]),
    "compressibility_tree": lambda: lambda: jaxcomp.compressibility_tree(small_params()),
    "its gradient": lambda: lambda: jax.grad(jaxcomp.compressibility_tree)(small_params()),
    "per unit": lambda: lambda: penalty_tree(small_params(), "hoyer_square", scope="unit"),
    "add_compressibility": lambda: update(
        lambda: jaxcomp.add_compressibility(0.1, scope="tensor", level_strength=1.0)
    ),
    "control_weight": lambda: update(
        lambda: jaxcomp.control_weight(jaxcomp.add_compressibility, 10)
    ),
    "a prox that is controlled": lambda: update(lambda: jaxcomp.control_weight(prox_of, 10)),
    "prox of groups in Adam's metric": lambda: update(
        lambda: jaxcomp.prox_adam("group_unit", 0.1, 0.1)
    ),
    "prune_gradually": lambda: update(lambda: jaxcomp.prune_gradually(0.5, pattern=Units())),
    "top_k_mask": lambda: lambda: top_k_mask(small_params(), 0.5),
    "threshold_mask": lambda: lambda: threshold_mask(small_params(), 0.5),
    "ternarize": lambda: lambda: ternarize(small_params(), per="unit"),
    "few_levels": lambda: lambda: few_levels(small_params(), 2),
}


@pytest.fixture
def compiled_by(caplog):
    """From a function to what is compiled when it is called."""

    def compiled_by(call):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING, "jax"):
            jax.block_until_ready(call())
        return [line for line in caplog.messages if line.startswith("Compiling")]

    return compiled_by


def test_what_is_compiled_is_seen(compiled_by):
    program = jax.jit(lambda x: x + 1)
    assert [len(compiled_by(lambda: program(1.0))) for _ in range(2)] == [1, 0]


@pytest.mark.usefixtures("standard_promotion")  # for optax.adam
@pytest.mark.parametrize("name", CALLS)
def test_the_second_call_compiles_nothing(name, compiled_by):
    call = CALLS[name]()
    call()
    assert compiled_by(call) == []
