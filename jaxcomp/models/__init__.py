"""Holds the networks of the field's benchmarks, in Flax Linen."""

from functools import partial

from jaxcomp.models.batch_norm import merge_batch_norm, unit_statistics
from jaxcomp.models.lenet import LeNet5Caffe, LeNet300100
from jaxcomp.models.resnet import ResNet50, ResNetCIFAR
from jaxcomp.models.transformer import Transformer
from jaxcomp.models.vgg import VGG16

# A configuration names a network by its key. Each can be made for any number of `classes`, and says
# which inputs it `takes`.
MODELS = {
    "lenet_300_100": LeNet300100,
    "lenet_5_caffe": LeNet5Caffe,
    "resnet_20": partial(ResNetCIFAR, depth=20),
    "resnet_32": partial(ResNetCIFAR, depth=32),
    "resnet_50": ResNet50,
    "transformer": Transformer,
    "vgg_16": VGG16,
}

__all__ = [
    "MODELS",
    "VGG16",
    "LeNet5Caffe",
    "LeNet300100",
    "ResNet50",
    "ResNetCIFAR",
    "Transformer",
    "merge_batch_norm",
    "unit_statistics",
]
