"""Networks of the field's benchmarks, in Flax Linen."""

from jaxcomp.models.lenet import LeNet300100

# By the name that a configuration gives.
MODELS = {"lenet_300_100": LeNet300100}

__all__ = ["MODELS", "LeNet300100"]
