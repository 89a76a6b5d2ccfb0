"""Every public function, called wrongly: an error of its own, early, that names what was wrong."""

import importlib
import traceback

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp import losses, parametrized, prox, prune, quantize, train, trees
from jaxcomp.analysis.measures import measures
from jaxcomp.axes import Axes
from jaxcomp.data import examples

pytestmark = pytest.mark.usefixtures("standard_promotion")

W = jnp.array([[1.0, -2.0], [0.5, 4.0]])
PARAMS = {"w": W}
MLP = eqx.nn.MLP(2, 2, 2, depth=1, key=jax.random.key(0))

NUMBER = ("x", None, float("nan"), float("inf"), 1j, True, np.float32("nan"), jnp.ones(2), [1])
COUNT = (*NUMBER, 1.5, 0, -1, np.float32(2), jnp.float32(2))
CHOICE = ("nonsense", None, 3, ("tensor",), PARAMS)
# A tree of which nothing can be taken, and one whose leaf is no array.
TREE = ({}, "x", 5, None, {"w": "x"}, {"w": 1.0}, {"w": [1.0, 2.0]}, MLP)
NOT_REAL = ({"w": W.astype(jnp.int32)}, {"w": W.astype(complex)}, {"w": W > 0})
NOT_FINITE = ({"w": W.at[0, 0].set(jnp.nan)}, {"w": W.at[0, 0].set(-jnp.inf)})
MASK = ({"zz": True}, {"w": 0.5}, {"w": "x"}, {"w": W > 0}, {"w": False}, 7, "x")
ENTRIES = ({"zz": W > 0}, {"w": W}, {"w": "x"}, {"w": W[0] > 0}, 7, "x")
LAYOUT = ("nonsense", 3, ("flax",), "unit")
NETWORK = (5, "flax", PARAMS, MLP)
AXES = (5, "flax", (0, 1), Axes((0,), (2,)), Axes((0,), (0,)))
FUNCTION = (5, "nonsense", None, PARAMS)
ARRAY = (PARAMS, None, "x", [W], W.astype(jnp.int32), W.astype(complex), W > 0)


def updated(make):
    """The first update of a transformation, made of the argument."""

    def call(value, params=PARAMS):
        tx = make(value)
        return tx.update(params, tx.init(params), params)

    return call


def of_tree(make):
    return lambda value: updated(lambda _: make())(None, value)


def minus(values, *left_out):
    return tuple(v for v in values if not any(v is one for one in left_out))


# Name of the function and of the argument: the call, and what is wrong for it.
WRONG = {
    ("add_compressibility", "strength"): (
        jaxcomp.add_compressibility,
        (*NUMBER, -1, np.float32(-1)),
    ),
    ("add_compressibility", "level_strength"): (
        lambda v: jaxcomp.add_compressibility(1.0, level_strength=v),
        (*NUMBER, -1, jnp.float32(-1), jnp.sin),
    ),
    ("add_compressibility", "scope"): (lambda v: jaxcomp.add_compressibility(1.0, scope=v), CHOICE),
    ("add_compressibility", "mask"): (
        updated(lambda v: jaxcomp.add_compressibility(1.0, mask=v)),
        MASK,
    ),
    ("add_compressibility", "leaves"): (of_tree(lambda: jaxcomp.add_compressibility(1.0)), TREE),
    ("add_penalty", "penalty"): (lambda v: jaxcomp.add_penalty(v, 1.0), FUNCTION),
    ("add_penalty", "the penalty"): (
        updated(lambda v: jaxcomp.add_penalty(lambda arrays: v, 1.0)),
        (float("nan"), 1.0, None, [W], W, "x", jnp.ones((), jnp.int32), jnp.ones((), complex)),
    ),
    ("add_penalty", "strength"): (lambda v: jaxcomp.add_penalty("l1", v), (*NUMBER, -1)),
    ("add_penalty", "scope"): (lambda v: jaxcomp.add_penalty("l1", 1.0, scope=v), CHOICE),
    ("add_penalty", "groups"): (
        lambda v: jaxcomp.add_penalty("l1", 1.0, groups=v),
        minus(CHOICE, None),
    ),
    ("add_penalty", "mask"): (updated(lambda v: jaxcomp.add_penalty("l1", 1.0, mask=v)), MASK),
    ("apply_prox", "prox"): (lambda v: jaxcomp.apply_prox(v, 1.0, 1.0), CHOICE),
    ("apply_prox", "strength"): (lambda v: jaxcomp.apply_prox("soft", v, 1.0), (*NUMBER, -1)),
    ("apply_prox", "learning_rate"): (lambda v: jaxcomp.apply_prox("soft", 1.0, v), (*NUMBER, -1)),
    ("apply_prox", "mask"): (updated(lambda v: jaxcomp.apply_prox("soft", 1.0, 1.0, mask=v)), MASK),
    ("prox_adam", "prox"): (lambda v: jaxcomp.prox_adam(v, 1.0, 1.0), CHOICE),
    ("prox_adam", "strength"): (lambda v: jaxcomp.prox_adam("soft", v, 1.0), (*NUMBER, -1)),
    ("prox_adam", "learning_rate"): (lambda v: jaxcomp.prox_adam("soft", 1.0, v), (*NUMBER, -1)),
    ("prox_adam", "b1"): (lambda v: jaxcomp.prox_adam("soft", 1.0, 1.0, b1=v), (*NUMBER, -1, 1)),
    ("prox_adam", "b2"): (lambda v: jaxcomp.prox_adam("soft", 1.0, 1.0, b2=v), (*NUMBER, -1, 1)),
    ("prox_adam", "eps"): (lambda v: jaxcomp.prox_adam("soft", 1.0, 1.0, eps=v), (*NUMBER, -1)),
    ("prox_adam", "mask"): (updated(lambda v: jaxcomp.prox_adam("soft", 1.0, 1.0, mask=v)), MASK),
    ("control_weight", "inner_factory"): (lambda v: jaxcomp.control_weight(v, 5), FUNCTION),
    ("control_weight", "the transformation"): (
        updated(lambda v: jaxcomp.control_weight(lambda weight: v, 5)),
        (None, 5, "x", W),
    ),
    ("control_weight", "target"): (
        lambda v: jaxcomp.control_weight(jaxcomp.add_compressibility, v),
        (*NUMBER, 0, -1),
    ),
    ("control_weight", "measure"): (
        lambda v: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, measure=v),
        CHOICE,
    ),
    ("control_weight", "initial"): (
        lambda v: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, initial=v),
        (*NUMBER, 0, 1e9),
    ),
    ("control_weight", "gains"): (
        lambda v: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, gains=v),
        (*NUMBER, (1, "x"), (-1, 0), (1, 2, 3)),
    ),
    ("control_weight", "bounds"): (
        lambda v: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, bounds=v),
        (*NUMBER, (1, None), (0, 1), (float("nan"), 1)),
    ),
    ("control_weight", "threshold"): (
        lambda v: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, threshold=v),
        (*NUMBER, -1, 1),
    ),
    ("control_weight", "mask"): (
        updated(lambda v: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, mask=v)),
        MASK,
    ),
    ("keep_masked", "keep"): (updated(jaxcomp.keep_masked), (*ENTRIES, None)),
    ("keep_masked", "leaves"): (
        of_tree(lambda: jaxcomp.keep_masked(True)),
        ("x", 5, {"w": "x"}, {"w": 1.0}, {"w": jax.random.key(0)}, MLP),
    ),
    ("prune_gradually", "density"): (jaxcomp.prune_gradually, (*NUMBER, 0, 1.5, -1)),
    ("prune_gradually", "every"): (lambda v: jaxcomp.prune_gradually(0.5, every=v), COUNT),
    ("prune_gradually", "scope"): (
        lambda v: jaxcomp.prune_gradually(0.5, scope=v),
        (*CHOICE, "unit"),
    ),
    ("prune_gradually", "pattern"): (
        lambda v: jaxcomp.prune_gradually(0.5, pattern=v),
        ("2:4", None, 4),
    ),
    ("prune_gradually", "score"): (
        lambda v: jaxcomp.prune_gradually(0.5, score=v),
        minus(FUNCTION, None),
    ),
    ("prune_gradually", "mask"): (updated(lambda v: jaxcomp.prune_gradually(0.5, mask=v)), MASK),
    ("prune_gradually", "leaves"): (
        of_tree(lambda: jaxcomp.prune_gradually(0.5)),
        (*TREE, *NOT_FINITE),
    ),
    ("compressibility", "one array"): (jaxcomp.compressibility, minus(ARRAY, "x")),
    ("ternary_level", "one array"): (jaxcomp.ternary_level, minus(ARRAY, "x")),
    ("compressibility_tree", "leaves"): (jaxcomp.compressibility_tree, (*TREE, *NOT_REAL)),
    ("compressibility_tree", "scope"): (
        lambda v: jaxcomp.compressibility_tree(PARAMS, scope=v),
        CHOICE,
    ),
    ("compressibility_tree", "mask"): (
        lambda v: jaxcomp.compressibility_tree(PARAMS, mask=v),
        MASK,
    ),
    ("level_tree", "leaves"): (losses.level_tree, (*TREE, *NOT_REAL)),
    ("level_tree", "scope"): (lambda v: losses.level_tree(PARAMS, scope=v), CHOICE),
    ("penalty_tree", "leaves"): (lambda v: losses.penalty_tree(v, "l1"), (*TREE, *NOT_REAL)),
    ("penalty_tree", "penalty"): (lambda v: losses.penalty_tree(PARAMS, v), FUNCTION),
    ("penalty_tree", "scope"): (lambda v: losses.penalty_tree(PARAMS, "l1", scope=v), CHOICE),
    ("penalty_tree", "groups"): (
        lambda v: losses.penalty_tree(PARAMS, "l1", groups=v),
        minus(CHOICE, None),
    ),
    ("group_norms", "kernel"): (lambda v: losses.group_norms(v, "unit"), (*ARRAY, W[0])),
    ("group_norms", "groups"): (lambda v: losses.group_norms(W, v), CHOICE),
    ("gate", "probability"): (lambda v: losses.gate(PARAMS, probability=v), (*NUMBER, 0, 1)),
    ("gate", "leaves"): (losses.gate, minus(TREE, TREE[0], None)),
    ("gate", "mask"): (lambda v: losses.gate(PARAMS, mask=v), minus(MASK, MASK[4])),
    ("Group", "groups"): (prox.Group, CHOICE),
    ("threshold_mask", "threshold"): (lambda v: prune.threshold_mask(PARAMS, v), (*NUMBER, -1)),
    ("threshold_mask", "leaves"): (lambda v: prune.threshold_mask(v, 0.1), (*TREE, *NOT_FINITE)),
    ("top_k_mask", "density"): (lambda v: prune.top_k_mask(PARAMS, v), (*NUMBER, 0, 2, -1)),
    ("top_k_mask", "leaves"): (lambda v: prune.top_k_mask(v, 0.5), (*TREE, *NOT_FINITE)),
    ("top_k_mask", "scope"): (
        lambda v: prune.top_k_mask(PARAMS, 0.5, scope=v),
        (*CHOICE, "unit"),
    ),
    ("top_k_mask", "pattern"): (
        lambda v: prune.top_k_mask(PARAMS, 0.5, pattern=v),
        ("2:4", None, 4),
    ),
    ("top_k_mask", "mask"): (lambda v: prune.top_k_mask(PARAMS, 0.5, mask=v), MASK),
    ("apply_mask", "mask"): (lambda v: prune.apply_mask(PARAMS, v), ENTRIES),
    ("Blocks", "rows"): (lambda v: prune.Blocks(v, 2), COUNT),
    ("Blocks", "columns"): (lambda v: prune.Blocks(2, v), COUNT),
    ("OfEach", "m"): (prune.OfEach, COUNT),
    ("structured_magnitude", "strength"): (prune.structured_magnitude, (*NUMBER, -1)),
    ("ternarize", "leaves"): (
        quantize.ternarize,
        (*minus(TREE, TREE[0], None), *NOT_FINITE),
    ),
    ("ternarize", "level"): (lambda v: quantize.ternarize(PARAMS, level=v), CHOICE),
    ("ternarize", "per"): (lambda v: quantize.ternarize(PARAMS, per=v), minus(CHOICE, CHOICE[3])),
    ("ternarize", "mask"): (
        lambda v: quantize.ternarize(PARAMS, mask=v),
        minus(MASK, MASK[4]),
    ),
    ("few_levels", "levels"): (lambda v: quantize.few_levels(PARAMS, v), COUNT),
    ("few_levels", "leaves"): (
        lambda v: quantize.few_levels(v, 2),
        (*minus(TREE, TREE[0], None), *NOT_FINITE),
    ),
    ("latent_mask", "mask"): (
        lambda v: parametrized.latent_mask(quantize.ternarize(PARAMS), v),
        ({"zz": W > 0}, 7, "x", {"w": W}, {"w": W[0] > 0}),
    ),
    ("values", "leaves"): (parametrized.values, (5, "x", {"w": 1.0})),
    ("least_squares_level", "array"): (quantize.least_squares_level, ARRAY),
    ("codebook", "levels"): (
        lambda v: quantize.codebook(np.asarray(W), v),
        (*COUNT, 1, 257),
    ),
    ("uniform", "step"): (lambda v: quantize.uniform(W, v), (*minus(NUMBER, NUMBER[7]), 0, -1)),
    ("uniform", "array"): (lambda v: quantize.uniform(v, 0.5), minus(ARRAY)),
    ("step_of_bits", "bits"): (lambda v: quantize.step_of_bits(W, v), (*COUNT, 1, 9)),
    ("measures", "leaves"): (measures, minus((*TREE, *NOT_REAL), 5)),
    ("make_mesh", "data"): (train.make_mesh, (*NUMBER, 1.5, 0, -2)),
    ("fit", "steps"): (
        lambda v: train.fit(None, STATE, [], steps=v, look_every=1),
        minus(COUNT, 0),
    ),
    ("fit", "look_every"): (lambda v: train.fit(None, STATE, [], steps=1, look_every=v), COUNT),
    ("shuffled_batches", "batch_size"): (
        lambda v: next(examples.shuffled_batches(EXAMPLES, v, 0)),
        COUNT,
    ),
    ("batches", "batch_size"): (lambda v: next(examples.batches(EXAMPLES, v)), COUNT),
    ("resolve_mask", "mask"): (lambda v: trees.resolve_mask(v, PARAMS), minus(MASK, MASK[4])),
    ("describe_mask", "leaf"): (trees.describe_mask, ("x", 5, {"w": "x"}, {"w": 1.0}, MLP)),
    ("weight_mask", "leaf"): (trees.weight_mask, ("x", 5, {"w": "x"}, {"w": 1.0}, MLP)),
}
# What takes a network and a layout.
OF_UNITS = {
    "add_compressibility": lambda **v: jaxcomp.add_compressibility(1.0, scope="unit", **v),
    "add_penalty": lambda **v: jaxcomp.add_penalty("l1", 1.0, **v),
    "apply_prox": lambda **v: jaxcomp.apply_prox("soft", 1.0, 1.0, **v),
    "prox_adam": lambda **v: jaxcomp.prox_adam("soft", 1.0, 1.0, **v),
    "prune_gradually": lambda **v: jaxcomp.prune_gradually(0.5, **v),
    "compressibility_tree": lambda **v: jaxcomp.compressibility_tree(PARAMS, **v),
    "level_tree": lambda **v: losses.level_tree(PARAMS, **v),
    "penalty_tree": lambda **v: losses.penalty_tree(PARAMS, "l1", **v),
    "top_k_mask": lambda **v: prune.top_k_mask(PARAMS, 0.5, **v),
    "ternarize": lambda **v: quantize.ternarize(PARAMS, **v),
    "few_levels": lambda **v: quantize.few_levels(PARAMS, 2, **v),
}
OF_NETWORKS = OF_UNITS | {
    "threshold_mask": lambda **v: prune.threshold_mask(PARAMS, 0.5, **v),
    "weight_mask": lambda **v: trees.weight_mask(PARAMS, **v),
    "describe_mask": lambda **v: trees.describe_mask(PARAMS, **v),
}
OF_ONE_ARRAY = {
    "group_norms": lambda **v: losses.group_norms(W, "unit", **v),
    "Group": lambda **v: prox.Group(**v).value(W),
    "structured_magnitude": lambda **v: prune.structured_magnitude(1.0, **v)(W),
}
for table, argument, values in (
    (OF_NETWORKS, "network", NETWORK),
    (OF_UNITS | OF_ONE_ARRAY, "layout", LAYOUT),
    (OF_ONE_ARRAY, "axes", AXES),
):
    for name, call in table.items():
        WRONG[name, argument] = (
            lambda v, call=call, argument=argument: call(**{argument: v}),
            values,
        )
STATE = train.init_state(PARAMS, optax.sgd(0.1))
EXAMPLES = examples.Examples(np.zeros((4, 2)), np.zeros(4))
# What each argument is called in its error, where that is not its own name.
CALLED = {
    "leaves": r"leaf|leaves|'w'|tree|array",
    "leaf": r"leaf|array",
    "mask": "mask",
    "keep": "mask",
    "kernel": "kernel|array|real",
    "one array": "array|type",
    "array": "array|type",
    "logits": "logits",
    "groups": "groups",
    "optimizer": "optimizer",
}


@pytest.mark.parametrize(("name", "argument"), WRONG, ids=str)
def test_a_wrong_argument_is_named(name, argument):
    call, values = WRONG[name, argument]
    for value in values:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(value)
        raised = traceback.extract_tb(caught.value.__traceback__)[-1]
        told = f"{name}({argument}={value!r}): {caught.value}"
        assert "/jaxcomp/" in raised.filename, told
        assert caught.match(CALLED.get(argument, argument)), told


def test_the_table_has_every_public_function_of_the_mathematics():
    homes = ("jaxcomp.transforms", "jaxcomp.losses", "jaxcomp.prox", "jaxcomp.prune")
    homes += ("jaxcomp.quantize", "jaxcomp.parametrized")
    # Without arguments, or with those of a state or a node alone.
    free = {"Soft", "Hard", "Ratio", "Entries", "Pattern", "Prox", "Penalty", "Gated", "Quantized"}
    free |= {"Parametrized", "Rounded"}
    free |= {
        "Inputs",
        "Units",
        "DeadUnits",
        "Live",
        "added_penalty",
        "penalty_states",
        "largest",
    }
    # What takes descriptions of layers has its errors in tests/prune.
    free |= {"expand", "first_units", "live_units", "remove_dead_units", "shrink"}
    listed = {name for name, _ in WRONG}
    for home in homes:
        module = importlib.import_module(home)
        public = {n for n in module.__all__ if callable(getattr(module, n)) and n[0].isalpha()}
        public = {name for name in public if not name.endswith("State")}
        assert public - free <= listed, (home, public - free - listed)
