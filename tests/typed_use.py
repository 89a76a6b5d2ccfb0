"""What a type checker says of the public names: mypy reads this (`test_types.py`), nothing runs it.

A name that it should not know, or an argument that it should refuse, has a `type: ignore`: where it
says nothing, mypy says that the comment is not needed.
"""

from typing import Any, NamedTuple, assert_type

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxcomp
from jaxcomp.prune import top_k_mask
from jaxcomp.quantize import ternarize

assert_type(jaxcomp.__version__, str)
_ = jaxcomp.lod  # type: ignore[attr-defined]


class Model(NamedTuple):
    kernel: jax.Array


def apply(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return x @ params["kernel"]


def loss(params: dict[str, jax.Array], batch: jax.Array, key: jax.Array) -> jax.Array:
    return jnp.mean(apply(params, batch) ** 2)


params = {"kernel": jnp.ones((2, 3))}
model = Model(jnp.ones((2, 3)))
x = jnp.ones((5, 2))

# Files

assert_type(jaxcomp.save("model.jxc", model), int)
loaded = jaxcomp.load("model.jxc", only=["layer"])
assert_type(loaded, dict[str | int, Any])
assert_type(jaxcomp.load("model.jxc", like=model), Model)
jaxcomp.load("model.jxc", onyl=["layer"])  # type: ignore[call-overload]
jaxcomp.codec.save("model.jxc", params)
with jaxcomp.codec.open("model.jxc") as file:
    assert_type(file["layer/kernel"], np.ndarray)
assert_type(jaxcomp.codec.describe("model.jxc").tensors[0].nonzeros, int)

# Transformations

network = jaxcomp.trace(apply, params, x)
assert_type(network.parameters["kernel"].shape, tuple[int, ...])
penalty = jaxcomp.add_compressibility(optax.constant_schedule(1e-3), network=network)
assert_type(penalty, optax.GradientTransformationExtraArgs)
jaxcomp.add_compressibility(1e-3, scope="layer")  # type: ignore[arg-type]
jaxcomp.add_compressibility("strong")  # type: ignore[arg-type]
transformations: list[optax.GradientTransformation] = [
    penalty,
    jaxcomp.add_penalty("l1", 1e-3, groups="unit"),
    jaxcomp.apply_prox(jaxcomp.prox.Soft(), 1e-3, learning_rate=0.1),
    jaxcomp.control_weight(jaxcomp.add_compressibility, target=100),
    jaxcomp.control_weight(lambda weight: jaxcomp.add_penalty("l1", weight), target=100),
    jaxcomp.prox_adam("soft", 1e-3, learning_rate=0.1),
    jaxcomp.prune_gradually(0.5, score=jaxcomp.prune.structured_magnitude(0.5)),
    jaxcomp.keep_masked(top_k_mask(params, 0.1)),
]
state = optax.chain(*transformations).init(params)
assert_type(jaxcomp.added_penalty(state), jax.Array)
assert_type(jaxcomp.transforms.penalties.penalty_states(state)[0].count, jax.Array)
assert_type(jaxcomp.compressibility(params["kernel"]), jax.Array)
jaxcomp.ternary_level(params)  # type: ignore[arg-type]
assert_type(jaxcomp.prox.Ratio().prox(x, 0.1), jax.Array)
print(jaxcomp.parametrized.values(ternarize(params, network=network)))

# Recipes

recipe = jaxcomp.recipe.for_size(times_smaller=25, steps=2_000)
assert_type(recipe, jaxcomp.recipe.Recipe)
jaxcomp.recipe.Recipe(jaxcomp.recipe.Dense(steps=5), jaxcomp.recipe.Quantize(steps=5))
result = recipe.run(loss, params, [x], validation=[x], key=jax.random.key(0), network=network)
assert_type(result, jaxcomp.recipe.Result)
jaxcomp.save("model.jxc", result.params)
assert_type(result.save("model.jxc"), int)
assert_type(result.phases[0].file_bytes, int | None)

# Compression

calibration = jaxcomp.Calibration(apply, [x, x])
done = jaxcomp.compress(params, "model.jxc", calibration=calibration, max_kl=0.01)
assert_type(done.file_bytes, int)
assert done.calibrated is not None
assert_type(done.calibrated.lost, float)

# Data

assert_type(jaxcomp.data.digits().train.inputs, np.ndarray)
