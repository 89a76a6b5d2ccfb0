"""Networks of the field's benchmarks, in Flax Linen."""

from jaxcomp.models.lenet import LeNet5Caffe, LeNet300100

# By the name that a configuration gives.
MODELS = {"lenet_300_100": LeNet300100, "lenet_5_caffe": LeNet5Caffe}

__all__ = ["MODELS", "LeNet5Caffe", "LeNet300100"]
