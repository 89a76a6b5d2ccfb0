"""Reads data sets, as arrays in memory or as streams of images."""

from jaxcomp.data.augmentation import shift_and_flip
from jaxcomp.data.catalog import DATASETS, DataSet
from jaxcomp.data.cifar import cifar10, cifar10_jpeg, cifar100
from jaxcomp.data.digits import digits
from jaxcomp.data.examples import (
    Examples,
    batches,
    shuffled_batches,
    shuffled_indices,
    take,
)
from jaxcomp.data.imagenet import imagenet
from jaxcomp.data.mnist import mnist
from jaxcomp.data.sonnets import sonnets
from jaxcomp.data.splits import Split, Splits
from jaxcomp.data.stream import Stream

__all__ = [
    "DATASETS",
    "DataSet",
    "Examples",
    "Split",
    "Splits",
    "Stream",
    "batches",
    "cifar10",
    "cifar10_jpeg",
    "cifar100",
    "digits",
    "imagenet",
    "mnist",
    "shift_and_flip",
    "shuffled_batches",
    "shuffled_indices",
    "sonnets",
    "take",
]
