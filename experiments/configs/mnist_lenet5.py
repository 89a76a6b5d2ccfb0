"""LeNet-5-Caffe on MNIST."""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The configuration of the digits, with a convolutional network and gradual pruning."""
    config = digits_lenet300.get_config()
    config.name = "mnist_lenet5"
    config.data.name = "mnist"
    config.model = "lenet_5_caffe"
    config.batch_size = 128

    config.dropout.hidden_dropout = 0.5
    config.train.steps = 4_000
    config.distill.weight = 0.8

    config.penalty.name = "none"
    config.penalty.l2 = 2e-4
    config.penalty.magnitude = 0.0
    config.penalty.start = "dense"
    config.penalty.steps = 8_000
    config.penalty.learning_rate = 2e-3
    config.prune.density = 0.007
    config.prune.steps = 5_000
    config.prune.structure = 0.2

    config.finetune.steps = 0
    config.quantize.levels = 2
    config.quantize.steps = 6_000
    config.quantize.learning_rate = 2e-3

    config.look_every = 1_000
    return config
