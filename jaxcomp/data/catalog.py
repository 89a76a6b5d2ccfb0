"""The data sets, by name, with what networks need to know of them."""

from collections.abc import Callable
from typing import NamedTuple

from jaxcomp.data.cifar import CIFAR10, CIFAR10_JPEG, CIFAR100, cifar10, cifar10_jpeg, cifar100
from jaxcomp.data.digits import digits
from jaxcomp.data.imagenet import imagenet
from jaxcomp.data.mnist import MNIST, mnist
from jaxcomp.data.sonnets import CHARACTERS, LENGTH, sonnets
from jaxcomp.data.splits import Split, Splits


class DataSet(NamedTuple):
    """Describe a data set before it is read."""

    load: Callable[[int], Splits[Split]]  # from a seed of the split
    input_shape: tuple[int, ...]  # of an image: height, width, channels; of a text: length
    classes: int  # that labels are of
    in_memory: bool = True  # False for streams

    @property
    def is_text(self) -> bool:
        """Tell whether inputs are tokens, not images."""
        return len(self.input_shape) == 1


# By the name that a configuration gives.
DATASETS = {
    "digits": DataSet(digits, (8, 8, 1), 10),
    "mnist": DataSet(mnist, MNIST.shape, 10),
    "cifar10": DataSet(cifar10, CIFAR10.shape, 10),
    "cifar10_jpeg": DataSet(cifar10_jpeg, CIFAR10_JPEG.shape, 10),
    "cifar100": DataSet(cifar100, CIFAR100.shape, 100),
    "sonnets": DataSet(sonnets, (LENGTH,), CHARACTERS),
    "imagenet2012": DataSet(imagenet, (224, 224, 3), 1000, in_memory=False),
}
