"""A small transformer on Shakespeare's sonnets, dense, as a subject of compression."""

import jax
import numpy as np
import optax

from experiments.benchmarks.dense_networks import Recipe, per_example, trained
from experiments.benchmarks.subject import EXAMPLES, Params, Subject, check_split, drawn
from jaxcomp.data import sonnets
from jaxcomp.models import MODELS

_TOGETHER = 256  # windows that are judged at a time

# The dense network of `experiments/configs/sonnets_transformer.py`.
RECIPE = Recipe(
    "transformer",
    "sonnets of seed 0",
    3_000,
    batch_size=32,
    learning_rate=3e-3,
    dropout=0.1,
)


def text_network() -> Subject:
    """Return the network; the quality is bits per character of poems that it has not seen."""
    model, splits = MODELS[RECIPE.model](), sonnets(seed=0)

    def apply(params: Params, tokens: jax.Array) -> jax.Array:
        return model.apply({"params": params}, tokens)

    cross_entropy = optax.softmax_cross_entropy_with_integer_labels
    nats = per_example(apply, cross_entropy, _TOGETHER)

    def quality(params: Params, split: str) -> float:
        check_split(split)
        return nats(params, getattr(splits, split)) / float(np.log(2))

    def batches(seed: int, examples: int = EXAMPLES) -> list[tuple[np.ndarray, ...]]:
        tokens = splits.train.inputs
        return [(tokens[places],) for places in drawn(seed, len(tokens), examples)]

    params = trained("transformer", RECIPE, lambda: splits.train)
    unit, losses = "bits per character", (0.01, 0.05, 0.1)
    return Subject("transformer", params, apply, batches, quality, unit, losses, model)
