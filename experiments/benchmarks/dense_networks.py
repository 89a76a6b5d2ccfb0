"""Dense networks that are trained in the usual way, once, and kept in the cache."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.benchmarks.subject import Params
from jaxcomp import strict_json
from jaxcomp.data import Examples, shuffled_batches
from jaxcomp.data.cache import cache_folder, read_cache, write_cache
from jaxcomp.models import MODELS
from jaxcomp.train import fit, init_state, make_step
from jaxcomp.trees import named_leaves

_SETTINGS = "settings"  # the entry of a cached file that says what made it


class Recipe(NamedTuple):
    """All that the parameters of a network depend on."""

    model: str  # of `MODELS`
    data: str  # for the cache: which examples are trained on
    steps: int
    batch_size: int
    learning_rate: float  # falls to zero by a cosine
    decay: float = 0.0  # decoupled weight decay, as in AdamW
    l2: float = 0.0  # strength of the penalty l2 ||w||^2 / 2 of all parameters, through Adam
    dropout: float = 0.0  # of hidden units
    seed: int = 0


def trained(name: str, recipe: Recipe, examples: Callable[[], Examples]) -> Params:
    """Return the parameters that a recipe leads to, from the cache if they are there.

    Args:
      name: of the file.
      recipe: parameters of another recipe that are cached under this name are replaced.
      examples: gives what is trained on.
    """
    path = cache_folder() / "dense_networks" / f"{name}.npz"
    settings = strict_json.dumps(recipe._asdict())
    arrays = read_cache(path) or {}
    if str(arrays.pop(_SETTINGS, None)) != settings:
        arrays = {key: np.asarray(w) for key, w in named_leaves(_train(recipe, examples())).items()}
        write_cache(path, arrays | {_SETTINGS: np.array(settings)})
    return nested(arrays)


def nested(arrays: dict[str, np.ndarray]) -> Params:
    """Return nested dicts of arrays whose names are joined by `/`."""
    params: Params = {}
    for name, array in arrays.items():
        *folders, last = name.split("/")
        inner = params
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[last] = array
    return params


def _train(recipe: Recipe, examples: Examples) -> Any:
    model = MODELS[recipe.model](hidden_dropout=recipe.dropout)
    keys = jax.random.split(jax.random.key(recipe.seed))
    params = jax.jit(model.init)(keys[0], examples.inputs[:1])["params"]
    optimizer = optax.chain(
        optax.add_decayed_weights(recipe.l2),
        optax.adamw(
            optax.cosine_decay_schedule(recipe.learning_rate, recipe.steps),
            weight_decay=recipe.decay,
        ),
    )

    def loss(params: Any, batch: Examples, key: jax.Array) -> jax.Array:
        logits = model.apply({"params": params}, batch.inputs, dropout=True, rngs={"dropout": key})
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    step = make_step(loss, optimizer, keys[1])
    batches: Iterator[Examples] = shuffled_batches(examples, recipe.batch_size, recipe.seed)
    state = init_state(params, optimizer)
    ends = {"steps": recipe.steps, "look_every": recipe.steps}
    return fit(step, state, batches, **ends).params


def per_example(
    apply: Callable[..., jax.Array],
    measure: Callable[[jax.Array, jax.Array], jax.Array],
    batch_size: int,
) -> Callable[[Params, Examples], float]:
    """Return a function to the mean of `measure(logits, labels)` over all examples."""

    @jax.jit
    def total(params: Params, inputs: jax.Array, labels: jax.Array) -> jax.Array:
        return jnp.sum(measure(apply(params, inputs), labels))

    def mean(params: Params, examples: Examples) -> float:
        starts = range(0, len(examples.labels), batch_size)
        parts = [tuple(part[i : i + batch_size] for part in examples) for i in starts]
        return sum(float(total(params, *part)) for part in parts) / examples.labels.size

    return mean
