"""Lists the data sets by name, with the facts that networks need."""

from collections.abc import Callable
from typing import NamedTuple

from jaxcomp.data.cifar import CIFAR10, CIFAR10_JPEG, CIFAR100, cifar10, cifar10_jpeg, cifar100
from jaxcomp.data.digits import digits
from jaxcomp.data.imagenet import imagenet
from jaxcomp.data.mnist import MNIST, mnist
from jaxcomp.data.sonnets import CHARACTERS, LENGTH, sonnets
from jaxcomp.data.splits import Split, Splits


class DataSet(NamedTuple):
    """Describes a data set before it is read.

    Example:
      >>> from jaxcomp.data import DATASETS
      >>> DATASETS["sonnets"].input_shape, DATASETS["sonnets"].classes, DATASETS["sonnets"].is_text
      ((64,), 61, True)
    """

    load: Callable[[int], Splits[Split]]  # function of the seed of the split
    input_shape: tuple[int, ...]  # an image has height, width, channels; a text has length
    classes: int  # number of different labels
    in_memory: bool = True  # False for streams

    @property
    def is_text(self) -> bool:
        """Tell whether inputs are tokens, not images."""
        return len(self.input_shape) == 1


# A configuration names a data set by its key.
DATASETS = {
    "digits": DataSet(digits, (8, 8, 1), 10),
    "mnist": DataSet(mnist, MNIST.shape, 10),
    "cifar10": DataSet(cifar10, CIFAR10.shape, 10),
    "cifar10_jpeg": DataSet(cifar10_jpeg, CIFAR10_JPEG.shape, 10),
    "cifar100": DataSet(cifar100, CIFAR100.shape, 100),
    "sonnets": DataSet(sonnets, (LENGTH,), CHARACTERS),
    "imagenet2012": DataSet(imagenet, (224, 224, 3), 1000, in_memory=False),
}
