"""Data sets as arrays in memory."""

from jaxcomp.data.augmentation import shift_and_flip
from jaxcomp.data.cifar10 import cifar10, cifar10_jpeg
from jaxcomp.data.digits import digits
from jaxcomp.data.examples import (
    Examples,
    Splits,
    batches,
    joined,
    shuffled_batches,
    shuffled_indices,
    take,
)
from jaxcomp.data.mnist import mnist
from jaxcomp.data.sonnets import sonnets

# By the name that a configuration gives: functions from a seed of the split to `Splits`.
DATASETS = {
    "digits": digits,
    "mnist": mnist,
    "cifar10": cifar10,
    "cifar10_jpeg": cifar10_jpeg,
    "sonnets": sonnets,
}

__all__ = [
    "DATASETS",
    "Examples",
    "Splits",
    "batches",
    "cifar10",
    "cifar10_jpeg",
    "digits",
    "joined",
    "mnist",
    "shift_and_flip",
    "shuffled_batches",
    "shuffled_indices",
    "sonnets",
    "take",
]
