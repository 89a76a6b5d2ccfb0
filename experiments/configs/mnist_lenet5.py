"""LeNet-5-Caffe on MNIST: a teacher, gradual pruning of weights and filters, two levels.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet5.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 10 minutes on two CPU cores
Expected: a file about 600 times smaller than float32, test error 0.7 to 0.8 %
"""

from ml_collections import ConfigDict

from experiments.configs import mnist_lenet300


def get_config() -> ConfigDict:
    """The other network's configuration with more dropout, a longer end, and fewer weights."""
    config = mnist_lenet300.get_config()
    config.name = "mnist_lenet5"
    config.model = "lenet_5_caffe"

    config.dropout.input_dropout = 0.0
    config.dropout.hidden_dropout = 0.5
    config.train.steps = 4_000
    config.train.learning_rate = 2e-3
    config.distill.weight = 0.8

    config.penalty.name = "l1"
    config.penalty.weight = 1e-5
    config.penalty.l2 = 1e-4
    config.penalty.steps = 7_000
    config.penalty.learning_rate = 2e-3

    config.prune.density = 0.007
    config.prune.steps = 4_500
    config.prune.structure = 0.25

    config.quantize.steps = 8_000
    config.quantize.learning_rate = 2e-3
    config.look_every = 1_000
    return config
