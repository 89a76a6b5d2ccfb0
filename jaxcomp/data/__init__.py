"""Data sets as arrays in memory."""

from jaxcomp.data.digits import digits
from jaxcomp.data.examples import (
    Examples,
    Splits,
    batches,
    joined,
    shuffled_batches,
    shuffled_indices,
)
from jaxcomp.data.mnist import mnist

# By the name that a configuration gives: functions from a seed of the split to `Splits`.
DATASETS = {"digits": digits, "mnist": mnist}

__all__ = [
    "DATASETS",
    "Examples",
    "Splits",
    "batches",
    "digits",
    "joined",
    "mnist",
    "shuffled_batches",
    "shuffled_indices",
]
