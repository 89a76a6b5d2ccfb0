"""Networks that `jaxcomp.recipe` does not know, in three frameworks and without one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import jaxcomp
from experiments.benchmarks import dict_perceptron
from jaxcomp.data import digits, mnist, sonnets
from jaxcomp.data.splits import Splits
from jaxcomp.models import MODELS
from jaxcomp.tracing import Network

PyTree = Any


class Subject(NamedTuple):
    """Holds a network with its loss and data."""

    params: PyTree
    loss: Callable[..., Any]  # as `Recipe.run` takes it
    batches: Callable[[int], Any]
    network: Network
    validation: list[Any]
    quality: Callable[[PyTree, PyTree], float]  # of parameters and model state, on the test split
    unit: str  # of the quality; lower is better
    steps: int  # of training
    learning_rate: float
    times_smaller: tuple[int, int, int]  # sizes that are asked for
    model_state: PyTree = None
    evaluate: Callable[..., jax.Array] | None = None


def digits_equinox(seed: int) -> Subject:
    """Return a multilayer perceptron of Equinox on the digits of scikit-learn."""
    splits = digits(seed=0)
    model = eqx.nn.MLP(64, 10, 100, 2, key=jax.random.key(seed))
    params, static = eqx.partition(model, eqx.is_array)

    def apply(params: PyTree, images: jax.Array) -> jax.Array:
        return jax.vmap(eqx.combine(params, static))(images.reshape(len(images), -1))

    def loss(params: PyTree, batch: tuple, key: jax.Array) -> jax.Array:
        del key
        return _cross_entropy(apply(params, batch[0]), batch[1])

    return Subject(
        params,
        loss,
        _batches(splits, 64, seed),
        jaxcomp.trace(apply, params, splits.train.inputs[:1]),
        _parts(splits.validation),
        _wrong(lambda params, state, inputs: apply(params, inputs), splits),
        "% wrong",
        steps=4_000,
        learning_rate=1e-3,
        times_smaller=(20, 50, 100),
    )


class Residual(nnx.Module):
    """Has convolutions with batch normalization, and one block with a shortcut."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(1, 8, (3, 3), strides=2, use_bias=False, rngs=rngs)
        self.first = nnx.Conv(8, 16, (3, 3), strides=2, use_bias=False, rngs=rngs)
        self.second = nnx.Conv(16, 16, (3, 3), use_bias=False, rngs=rngs)
        self.norms = nnx.List([nnx.BatchNorm(width, rngs=rngs) for width in (8, 16, 16)])
        self.hidden = nnx.Linear(16 * 7 * 7, 64, rngs=rngs)
        self.out = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Return logits [n, 10] of images [n, 28, 28, 1]."""
        x = nnx.relu(self.norms[0](self.stem(images)))
        x = nnx.relu(self.norms[1](self.first(x)))
        x = x + nnx.relu(self.norms[2](self.second(x)))
        return self.out(nnx.relu(self.hidden(x.reshape(len(x), -1))))


def mnist_nnx(seed: int) -> Subject:
    """Return a small residual network of NNX on MNIST, with running statistics."""
    splits = mnist(seed=0)
    graph, params, state = nnx.split(Residual(nnx.Rngs(seed)), nnx.Param, ...)

    def loss(params: PyTree, state: PyTree, batch: tuple, key: jax.Array) -> tuple:
        del key
        model = nnx.merge(graph, params, state, copy=True)  # statistics are changed below
        model.train()
        value = _cross_entropy(model(batch[0]), batch[1])
        return value, nnx.state(model, nnx.Not(nnx.Param))

    def apply(params: PyTree, state: PyTree, images: jax.Array) -> jax.Array:
        model = nnx.merge(graph, params, state)
        model.eval()
        return model(images)

    return Subject(
        params,
        loss,
        _batches(splits, 128, seed),
        jaxcomp.trace(lambda p, images: apply(p, state, images), params, splits.train.inputs[:1]),
        _parts(splits.validation),
        _wrong(apply, splits),
        "% wrong",
        steps=4_000,
        learning_rate=2e-3,
        times_smaller=(30, 60, 120),
        model_state=state,
        evaluate=lambda p, s, batch: _cross_entropy(apply(p, s, batch[0]), batch[1]),
    )


def sonnets_linen(seed: int) -> Subject:
    """Return a transformer of Linen on Shakespeare's sonnets."""
    splits, model = sonnets(seed=0), MODELS["transformer"](hidden_dropout=0.1)
    params = jax.jit(model.init)(jax.random.key(seed), splits.train.inputs[:1])["params"]

    def apply(params: PyTree, tokens: jax.Array) -> jax.Array:
        return model.apply({"params": params}, tokens)

    def loss(params: PyTree, batch: tuple, key: jax.Array) -> jax.Array:
        variables, options = {"params": params}, {"dropout": True, "rngs": {"dropout": key}}
        return _cross_entropy(model.apply(variables, batch[0], **options), batch[1])

    def bits(params: PyTree, state: PyTree) -> float:
        del state
        return _mean(lambda x, y: _cross_entropy(apply(params, x), y), splits.test) / np.log(2)

    return Subject(
        params,
        loss,
        _batches(splits, 8, seed),
        jaxcomp.trace(apply, params, splits.train.inputs[:1]),
        _parts(splits.validation),
        bits,
        "bits per character",
        steps=2_000,
        learning_rate=3e-3,
        times_smaller=(15, 25, 40),
        evaluate=lambda params, batch: _cross_entropy(apply(params, batch[0]), batch[1]),
    )


def regression_dicts(seed: int) -> Subject:
    """Return a multilayer perceptron in plain dicts on Friedman's first function.

    J. Friedman, *Multivariate adaptive regression splines*, 1991: five of ten inputs matter, and
    the noise has a variance of 1.
    """
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(12_000, 10)).astype(np.float32)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y = (y + 10 * x[:, 3] + 5 * x[:, 4] + rng.normal(size=len(x))).astype(np.float32)[:, None]
    parts = {"train": (0, 10_000), "validation": (10_000, 11_000), "test": (11_000, 12_000)}
    data = {name: (x[begin:end], y[begin:end]) for name, (begin, end) in parts.items()}
    params = dict_perceptron.init((10, 128, 128, 1), jax.random.key(seed))
    apply = dict_perceptron.apply

    def loss(params: PyTree, batch: tuple, key: jax.Array) -> jax.Array:
        del key
        return jnp.mean((apply(params, batch[0]) - batch[1]) ** 2)

    def batches(step: int) -> tuple:
        rows = np.random.default_rng((seed, step)).integers(0, 10_000, 128)
        return data["train"][0][rows], data["train"][1][rows]

    return Subject(
        params,
        loss,
        batches,
        jaxcomp.trace(apply, params, x[:1]),
        [data["validation"]],
        lambda params, state: float(loss(params, data["test"], jax.random.key(0))),
        "mean squared error",
        steps=6_000,
        learning_rate=3e-3,
        times_smaller=(20, 50, 100),
    )


SUBJECTS: dict[str, Callable[[int], Subject]] = {
    "digits_equinox": digits_equinox,
    "mnist_nnx": mnist_nnx,
    "sonnets_linen": sonnets_linen,
    "regression_dicts": regression_dicts,
}
_TOGETHER = 500  # examples that are judged at a time


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def _batches(splits: Splits, size: int, seed: int) -> Callable[[int], tuple]:
    inputs, labels = (np.asarray(part) for part in splits.train)

    def batch(step: int) -> tuple:
        rows = np.random.default_rng((seed, step)).integers(0, len(labels), size)
        return inputs[rows], labels[rows]

    return batch


def _parts(examples: Any) -> list[tuple]:
    """Return batches of one size; the last examples of no whole one are left out."""
    size = min(_TOGETHER, len(examples.labels))
    starts = range(0, len(examples.labels) - size + 1, size)
    return [(examples.inputs[i : i + size], examples.labels[i : i + size]) for i in starts]


def _mean(measure: Callable[..., jax.Array], examples: Any) -> float:
    measure = jax.jit(measure)
    return float(np.mean([float(measure(*part)) for part in _parts(examples)]))


def _wrong(apply: Callable[..., jax.Array], splits: Splits) -> Callable[[PyTree, PyTree], float]:
    def percent(params: PyTree, state: PyTree) -> float:
        return 100 * _mean(
            lambda x, y: jnp.mean(apply(params, state, x).argmax(axis=-1) != y), splits.test
        )

    return percent
