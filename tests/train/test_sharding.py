"""A step on eight devices is that on one, and what is spread stays spread."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

import jaxcomp
from jaxcomp.models import LeNet300100
from jaxcomp.train import (
    batch_sharding,
    fit,
    init_state,
    make_mesh,
    make_step,
    place_batch,
    shardings_of,
)
from tests.helpers import sharded
from tests.models.variables import random_variables

pytestmark = pytest.mark.usefixtures("standard_promotion")
MODEL = LeNet300100(widths=(32, 16), classes=8)
RULES = [
    ("Dense_0/kernel$", ("fsdp", "model")),
    ("kernel$", ("fsdp", None)),
    ("Dense_0/bias$", ("model",)),
]
IMAGES = np.random.default_rng(0).random((16, 4, 4, 1), np.float32)
LABELS = np.arange(16) % 8
CHAINS = {
    "penalty, pruned": lambda: optax.chain(
        jaxcomp.add_compressibility(0.01), optax.adam(0.01), jaxcomp.prune_gradually(0.3, every=2)
    ),
    "controlled": lambda: optax.chain(
        jaxcomp.control_weight(jaxcomp.add_compressibility, target=200), optax.adam(0.01)
    ),
    "prox": lambda: optax.chain(optax.adam(0.01), jaxcomp.apply_prox("ratio", 1e-3, 0.01)),
    "held": lambda: optax.chain(
        optax.sgd(0.1, momentum=0.9),
        jaxcomp.keep_masked(lambda p: jax.tree.map(lambda w: abs(w) > 0.05, p)),
    ),
}


def loss(params, batch):
    images, labels = batch
    logits = MODEL.apply({"params": params}, images)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def start(optimizer):
    params = random_variables(MODEL, IMAGES[:1])["params"]
    return jax.jit(lambda params: init_state(params, optimizer))(params)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(
    "sizes",
    [(2, 2, 2), *(pytest.param(one, marks=pytest.mark.slow) for one in ((8, 1, 1), (1, 8, 1)))],
    ids=str,
)
def test_training_on_eight_devices_is_that_on_one(name, sizes):
    optimizer, batch = CHAINS[name](), (IMAGES, LABELS)
    step, expected = make_step(loss, optimizer), start(optimizer)
    mesh = make_mesh(*sizes)
    shardings = shardings_of(expected, mesh, RULES)
    state = jax.tree.map(jnp.copy, jax.device_put(expected, shardings))  # a step takes its state
    spread = jax.device_put(batch, batch_sharding(mesh))
    for _ in range(4):
        expected, state = step(expected, batch), step(state, spread)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6), state, expected
    )
    kernel = state.params["Dense_0"]["kernel"]
    assert kernel.addressable_shards[0].data.shape == (16 // sizes[1], 32 // sizes[2])
    for leaf, sharding in zip(jax.tree.leaves(state), jax.tree.leaves(shardings), strict=True):
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)


def test_many_steps_on_devices_that_share_threads_come_to_an_end():
    # Steps that were under way at the same time waited for one another.
    optimizer, mesh = optax.adam(0.01), make_mesh()
    state = start(optimizer)
    state = jax.device_put(state, shardings_of(state, mesh, []))
    batches = (place_batch((IMAGES, LABELS), mesh) for _ in range(300))
    state = fit(make_step(loss, optimizer), state, batches, steps=300, look_every=300)
    assert int(state.step) == 300


def test_the_first_rule_wins_and_the_moments_are_spread_like_their_parameters():
    state = jax.eval_shape(lambda: start(optax.adam(0.1)))
    shardings = shardings_of(state, make_mesh(2, 2, 2), RULES)
    moments = shardings.opt_state[0].mu
    assert moments["Dense_0"]["kernel"].spec == PartitionSpec("fsdp", "model")
    assert moments["Dense_1"]["kernel"].spec == PartitionSpec("fsdp", None)
    assert moments["Dense_1"]["bias"].spec == PartitionSpec()
    assert shardings.opt_state[0].count.spec == PartitionSpec()


def test_a_leaf_of_other_axes_than_its_first_rule_is_whole():
    params = {"kernel": jax.ShapeDtypeStruct((8,), jnp.float32), "w": jnp.ones((8, 2))}
    rules = [("kernel$|w$", ("fsdp", None)), ("", ("fsdp",))]
    with pytest.raises(ValueError, match="the rule '' fits no leaf with 1 axes"):
        shardings_of(params, make_mesh(1, 8, 1), rules)
    assert shardings_of(params, make_mesh(1, 8, 1), rules[:1])["kernel"].spec == PartitionSpec()


def test_examples_are_spread_over_the_first_two_axes_of_the_mesh():
    batch = place_batch(np.arange(16), make_mesh(2, 2, 2))
    held = sorted(shard.data.tolist() for shard in batch.addressable_shards)
    quarters = np.arange(16).reshape(4, 4)
    assert held == quarters.repeat(2, axis=0).tolist()  # twice: along `model` they are repeated


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((-1, 1, 1), (8, 1, 1)), ((2, -1, 2), (2, 2, 2)), ((8, 1, 1), (8, 1, 1))],
)
def test_what_is_left_is_filled(sizes, expected):
    assert tuple(make_mesh(*sizes).shape.values()) == expected


@pytest.mark.parametrize("sizes", [(3, 1, 1), (-1, 3, 1), (-1, -1, 1), (16, 1, 1)])
def test_a_mesh_that_does_not_make_up_the_devices(sizes):
    with pytest.raises(ValueError, match="does not make up the 8 devices that are there: give"):
        make_mesh(*sizes)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (("kernel$", ("rows", None)), r"names the axes \['rows'\]: the mesh has \['data'"),
        (("weight$", ("fsdp", None)), "fits no leaf with 2 axes: there are Dense_0/bias"),
        (("bias$", ("fsdp", None)), "fits no leaf with 2 axes"),
        (("Dense_2/bias$", ("fsdp",)), "axis 0 of 'Dense_2/bias', of size 3, cannot be spread"),
    ],
)
def test_rules_that_cannot_work(rule, message):
    model = LeNet300100(classes=3)
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4, 4, 1)))["params"]
    with pytest.raises(ValueError, match=message):
        shardings_of(params, make_mesh(1, 8, 1), [rule])


@pytest.mark.parametrize(
    "make",
    [
        lambda: jaxcomp.add_compressibility(0.1),
        lambda: jaxcomp.add_penalty("l1", 0.1, groups="input"),
        lambda: jaxcomp.apply_prox("ratio", 0.1, 1.0),
        lambda: jaxcomp.prune_gradually(0.5),
        lambda: jaxcomp.control_weight(jaxcomp.add_compressibility, 5),
    ],
)
def test_a_part_of_an_array_is_not_taken_for_the_whole(make):
    tx, params = make(), sharded({"kernel": jnp.ones((16, 3))})
    mesh, part = params["kernel"].sharding.mesh, PartitionSpec("shards")

    def update(params):
        return tx.update(params, tx.init(params), params)[0]

    with pytest.raises(ValueError, match=r"over whole arrays, .* part along \['shards'\]"):
        jax.shard_map(update, mesh=mesh, in_specs=part, out_specs=part)(params)
    whole = PartitionSpec()
    jax.eval_shape(jax.shard_map(update, mesh=mesh, in_specs=whole, out_specs=whole), params)
