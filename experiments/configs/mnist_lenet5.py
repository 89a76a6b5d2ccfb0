"""LeNet-5-Caffe on MNIST: a teacher, gradual pruning of weights and filters, two levels.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet5.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 5 minutes on one CPU core
Expected: a file about 603 times smaller than float32 (597 to 608), test error 0.8 to 1.0 %

The network starts with as many units as it can use, which takes a fraction of the time.
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The digits' configuration with all that this network needs."""
    config = digits_lenet300.get_config()
    config.batch_size = 128

    config.data.name = "mnist"
    config.data.train_on_validation = True  # False to choose anything

    config.distill.weight = 0.8

    config.dropout.hidden_dropout = 0.5

    config.finetune.steps = 0
    config.look_every = 1_000
    config.model = "lenet_5_caffe"
    config.name = "mnist_lenet5"

    config.penalty.l2 = 0.0002
    config.penalty.learning_rate = 0.004
    config.penalty.level_strength = 0.0
    config.penalty.name = "none"
    config.penalty.steps = 6_000
    config.penalty.strength = 1e-05

    config.prune.density = 0.0072  # 3,100 weights
    config.prune.steps = 4_000
    config.prune.structure = 0.15
    config.prune.widths = (12, 30, 120)

    config.quantize.learning_rate = 0.001
    config.quantize.number = 2
    config.quantize.steps = 4_000

    config.train.learning_rate = 0.002
    config.train.steps = 2_500
    return config
