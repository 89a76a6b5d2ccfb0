"""The loss of a run: labels, a teacher, dropped units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from experiments.objective import classification_loss, cross_entropy, taught
from jaxcomp.data import Examples, shuffled_batches
from jaxcomp.losses import distillation
from jaxcomp.models import LeNet300100

BATCH = Examples(np.random.default_rng(0).random((8, 4, 4, 1), np.float32), np.arange(8) % 3)
KEY = jax.random.key(0)
MODEL = LeNet300100(classes=3, hidden_dropout=0.5)
STUDENT, TEACHER = (MODEL.init(jax.random.key(seed), BATCH.images)["params"] for seed in (1, 2))


def loss(weight=0.0, *, dropout=False):
    distill = ConfigDict({"weight": weight, "temperature": 2.0})
    return classification_loss(MODEL.apply, distill, dropout=dropout)


def test_without_teacher_and_dropout_it_is_the_cross_entropy():
    expected = cross_entropy(MODEL.apply)(STUDENT, BATCH)
    np.testing.assert_allclose(loss(0.3)(STUDENT, BATCH, KEY), expected, rtol=1e-6)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_labels_and_teacher_share_the_weight(weight):
    logits = [MODEL.apply({"params": p}, BATCH.images) for p in (STUDENT, TEACHER)]
    from_teacher = distillation(*logits, 2.0).mean()
    expected = (1 - weight) * cross_entropy(MODEL.apply)(STUDENT, BATCH) + weight * from_teacher
    batch = taught(MODEL.apply, TEACHER, BATCH)
    np.testing.assert_allclose(loss(weight)(STUDENT, batch, KEY), expected, rtol=1e-6)


def test_batches_keep_what_the_teacher_says_beside_its_image():
    examples = taught(MODEL.apply, TEACHER, BATCH)
    batch = next(shuffled_batches(examples, 4, seed=0))
    assert type(batch) is type(examples)
    expected = MODEL.apply({"params": TEACHER}, batch.images)
    np.testing.assert_allclose(batch.logits, expected, rtol=1e-5)


def test_dropout_depends_on_the_key_and_is_off_otherwise():
    dropped = [loss(dropout=True)(STUDENT, BATCH, jax.random.key(k)) for k in (0, 1)]
    assert dropped[0] != dropped[1]
    kept = [loss()(STUDENT, BATCH, jax.random.key(k)) for k in (0, 1)]
    assert kept[0] == kept[1]
    assert jnp.isfinite(jnp.array(dropped)).all()
