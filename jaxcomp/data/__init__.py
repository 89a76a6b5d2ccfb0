"""Data sets as arrays in memory, or as streams of images."""

from jaxcomp.data.augmentation import shift_and_flip
from jaxcomp.data.cifar10 import cifar10, cifar10_jpeg
from jaxcomp.data.digits import digits
from jaxcomp.data.examples import (
    Examples,
    batches,
    joined,
    shuffled_batches,
    shuffled_indices,
    take,
)
from jaxcomp.data.imagenet import imagenet
from jaxcomp.data.mnist import mnist
from jaxcomp.data.sonnets import sonnets
from jaxcomp.data.splits import Split, Splits
from jaxcomp.data.stream import Stream

# By the name that a configuration gives: functions from a seed of the split to `Splits`.
DATASETS = {
    "digits": digits,
    "mnist": mnist,
    "cifar10": cifar10,
    "cifar10_jpeg": cifar10_jpeg,
    "sonnets": sonnets,
    "imagenet2012": imagenet,
}
STREAMED = ("imagenet2012",)  # those whose splits are streams

__all__ = [
    "DATASETS",
    "STREAMED",
    "Examples",
    "Split",
    "Splits",
    "Stream",
    "batches",
    "cifar10",
    "cifar10_jpeg",
    "digits",
    "imagenet",
    "joined",
    "mnist",
    "shift_and_flip",
    "shuffled_batches",
    "shuffled_indices",
    "sonnets",
    "take",
]
