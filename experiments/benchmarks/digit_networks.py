"""LeNets that are trained on MNIST, dense, as subjects of compression.

45,000 of the 60,000 training images are trained on, and calibrated on. Of the others 7,500 are for
validation; 7,500 stay in reserve, for choices that come after those made on validation.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.dense_networks import Recipe, per_example, trained
from experiments.benchmarks.subject import EXAMPLES, Params, Subject, check_split, drawn
from jaxcomp.data import Examples, mnist
from jaxcomp.models import MODELS

KEPT_APART, VALIDATION = 15_000, 7_500
_TOGETHER = 2_500  # images that are judged at a time
_EPOCH = 450  # steps of 100 images

_DATA = f"mnist without {KEPT_APART} drawn by seed 0"
RECIPES = {
    "lenet300_adamw": Recipe(
        "lenet_300_100", _DATA, 20 * _EPOCH, batch_size=100, learning_rate=1e-3, decay=1e-4
    ),
    "lenet300_l2": Recipe(
        "lenet_300_100", _DATA, 20 * _EPOCH, batch_size=100, learning_rate=1e-3, l2=1e-4
    ),
    "lenet5_caffe": Recipe(
        "lenet_5_caffe", _DATA, 8 * _EPOCH, batch_size=100, learning_rate=1e-3, decay=1e-4
    ),
}


def digit_network(name: str) -> Subject:
    """Return the network of a name in `RECIPES`; the quality is % of images misclassified."""
    recipe = RECIPES[name]
    model = MODELS[recipe.model]()

    def apply(params: Params, images: jax.Array) -> jax.Array:
        return model.apply({"params": params}, images)

    error = per_example(apply, _is_wrong, _TOGETHER)

    def quality(params: Params, split: str) -> float:
        check_split(split)
        return 100 * error(params, _images()[split])

    def batches(seed: int, examples: int = EXAMPLES) -> list[tuple[np.ndarray, ...]]:
        images = _images()["train"].inputs
        return [(images[places],) for places in drawn(seed, len(images), examples)]

    params = trained(name, recipe, lambda: _images()["train"])
    unit, losses = "% of images misclassified", (0.1, 0.5, 1.0)
    return Subject(name, params, apply, batches, quality, unit, losses, model)


LOADERS = {name: partial(digit_network, name) for name in RECIPES}


@cache
def _images() -> dict[str, Examples]:
    splits = mnist(seed=0, validation=KEPT_APART)
    validation = Examples(*(part[:VALIDATION] for part in splits.validation))
    return {"train": splits.train, "validation": validation, "test": splits.test}


def _is_wrong(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.argmax(logits, axis=-1) != labels
