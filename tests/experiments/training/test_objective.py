"""The loss of a run: labels, a teacher, dropped units, batch norm, shifted images."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from experiments.settings.settings import Distillation
from experiments.training.objective import (
    Beside,
    Network,
    classification_loss,
    classification_metrics,
    cross_entropy,
    from_teacher,
    settled,
    taught,
    variables,
)
from jaxcomp.data import Examples, shift_and_flip, shuffled_batches
from jaxcomp.models import LeNet300100
from tests.models.variables import random_variables

BATCH = Examples(np.random.default_rng(0).random((8, 4, 4, 1), np.float32), np.arange(8) % 3)
KEY = jax.random.key(0)
MODEL = LeNet300100(classes=3, hidden_dropout=0.5)
STUDENT, TEACHER = (random_variables(MODEL, BATCH.inputs, seed)["params"] for seed in (1, 2))


logits_of = jax.jit(lambda params, images: MODEL.apply({"params": params}, images))
labels_alone = jax.jit(cross_entropy(MODEL.apply))


def loss(weight=0.0, *, dropout=False):
    value = classification_loss(MODEL.apply, Distillation(weight), dropout=dropout)
    return jax.jit(lambda params, batch, key: value(params, Beside(), batch, key)[0])


def test_without_teacher_and_dropout_it_is_the_cross_entropy():
    expected = labels_alone(STUDENT, BATCH)
    np.testing.assert_allclose(loss(0.3)(STUDENT, BATCH, KEY), expected, rtol=1e-6)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_labels_and_teacher_share_the_weight(weight):
    logits = [logits_of(p, BATCH.inputs) for p in (STUDENT, TEACHER)]
    taught_loss = jax.jit(from_teacher)(*logits, 2.0).mean()
    expected = (1 - weight) * labels_alone(STUDENT, BATCH) + weight * taught_loss
    batch = taught(MODEL.apply, TEACHER, BATCH)
    np.testing.assert_allclose(loss(weight)(STUDENT, batch, KEY), expected, rtol=1e-6)


def test_batches_keep_what_the_teacher_says_beside_its_image():
    examples = taught(MODEL.apply, TEACHER, BATCH)
    batch = next(shuffled_batches(examples, 4, seed=0))
    assert type(batch) is type(examples)
    expected = logits_of(TEACHER, batch.inputs)
    np.testing.assert_allclose(batch.labels.logits, expected, rtol=1e-5)


def test_dropout_depends_on_the_key_and_is_off_otherwise():
    dropping, keeping = loss(dropout=True), loss()
    dropped, kept = (
        [float(value(STUDENT, BATCH, jax.random.key(k))) for k in (0, 1)]
        for value in (dropping, keeping)
    )
    assert dropped[0] != dropped[1]
    assert kept[0] == kept[1]
    assert np.isfinite(dropped).all()


def test_a_teacher_that_is_asked_at_each_step_says_what_it_said_before():
    batch, distill = taught(MODEL.apply, TEACHER, BATCH), Distillation(0.4)
    value = classification_loss(MODEL.apply, distill)
    expected, _ = jax.jit(value)(STUDENT, Beside(), batch, KEY)
    asked, beside = jax.jit(value)(STUDENT, Beside(teacher=TEACHER), BATCH, KEY)
    np.testing.assert_allclose(asked, expected, rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, beside.teacher, TEACHER)


def test_a_teacher_sees_shifted_images_as_the_network_sees_them():
    """Who learns from itself has nothing to learn, wherever the images are."""
    value = classification_loss(MODEL.apply, Distillation(1.0), augment=shift_and_flip)
    gradient = jax.jit(
        jax.grad(lambda params: value(params, Beside(teacher=TEACHER), BATCH, KEY)[0])
    )
    assert max(np.abs(g).max() for g in jax.tree.leaves(gradient(TEACHER))) < 1e-6
    assert max(np.abs(g).max() for g in jax.tree.leaves(gradient(STUDENT))) > 1e-3


def test_augmented_images_differ_by_the_key():
    value = classification_loss(MODEL.apply, Distillation(), augment=shift_and_flip)
    augmented = jax.jit(lambda key: value(STUDENT, Beside(), BATCH, key)[0])
    plain, *moved = loss()(STUDENT, BATCH, KEY), *(augmented(jax.random.key(k)) for k in (1, 2))
    assert len({float(plain), *map(float, moved)}) == 3


class Normalized(nn.Module):
    """A dense layer with batch norm."""

    @nn.compact
    def __call__(self, images, *, train=False):
        x = nn.Dense(3)(images.reshape(len(images), -1))
        return nn.BatchNorm(use_running_average=not train, momentum=0.0)(x)


def test_batch_norm_uses_the_batch_and_its_statistics_are_carried_and_merged():
    model = Normalized()
    made = jax.jit(model.init)(KEY, BATCH.inputs)
    network = Network(made["params"], made["batch_stats"])
    value = classification_loss(model.apply, Distillation())
    got, beside = jax.jit(value)(network.params, Beside(network.batch_stats), BATCH, KEY)
    # Without momentum the statistics that are carried are those of this batch.
    params = settled(network._replace(batch_stats=beside.batch_stats))
    logits = np.asarray(jax.jit(model.apply)(variables(params), BATCH.inputs))
    right = logits[np.arange(8), BATCH.labels]
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - right)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    np.testing.assert_allclose(logits.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(logits.std(axis=0), 1, rtol=1e-3)


def test_metrics_are_of_each_example_or_of_the_places_of_a_text():
    logits = np.log(np.float32([[[0.5, 0.25, 0.25]] * 2, [[0.125, 0.75, 0.125]] * 2]))
    labels = np.array([[0, 1], [1, 0]])

    def values(logits, labels):
        metrics = classification_metrics(lambda variables, inputs: logits)
        return metrics({}, Examples(np.zeros(len(labels)), labels))

    text, images = values(logits, labels), values(logits[:, 0], labels[:, 0])
    np.testing.assert_array_equal(text["accuracy"], [0.5, 0.5])
    bits = [(1 + 2) / 2, (np.log2(4 / 3) + 3) / 2]
    np.testing.assert_allclose(text["bits"], bits, rtol=1e-5)
    np.testing.assert_array_equal(images["accuracy"], [1, 1])
    np.testing.assert_allclose(images["bits"], [1, np.log2(4 / 3)], rtol=1e-5)


def test_without_batch_norm_a_network_is_its_parameters():
    assert settled(Network(STUDENT)) is STUDENT
