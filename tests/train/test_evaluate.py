"""Means over a data set whose last batch is short."""

import numpy as np
import pytest

from jaxcomp.train import evaluate


def metrics(params, batch):
    return {"value": params * batch, "positive": batch > 0}


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_the_last_batch_counts_by_its_size(batch_size):
    data = np.arange(-3.0, 7.0)
    batches = [data[i : i + batch_size] for i in range(0, len(data), batch_size)]
    means = evaluate(metrics, 2.0, batches)
    assert means == {"value": pytest.approx(3.0), "positive": pytest.approx(0.6)}


def test_nothing_to_evaluate():
    with pytest.raises(ValueError, match="the batches are empty"):
        evaluate(metrics, 1.0, [])
