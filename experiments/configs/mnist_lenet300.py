"""LeNet-300-100 on MNIST: the recipe of the digits at full size.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet300.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)

The values are chosen on the validation split, 5,000 examples of the training set.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The configuration; every key can be overridden by `--config.KEY=VALUE`."""
    config = ConfigDict()
    config.name = "mnist_lenet300"
    config.seed = 0  # initial weights and order of the batches

    config.data = ConfigDict()
    config.data.name = "mnist"
    config.data.split_seed = 0  # which examples of the training set are for validation
    config.model = "lenet_300_100"
    config.batch_size = 128

    config.train = ConfigDict()  # Adam with cosine decay; once without the penalty, once with it
    config.train.steps = 8_000
    config.train.learning_rate = 1e-3

    config.penalty = ConfigDict()  # weight * (L + magnitude * c)
    config.penalty.weight = 0.003
    config.penalty.magnitude = 100.0
    config.penalty.scope = "global"

    config.prune = ConfigDict()  # keep the largest magnitudes
    config.prune.density = 0.07
    config.prune.scope = "global"

    config.finetune = ConfigDict()  # the survivors, as floats
    config.finetune.steps = 4_000
    config.finetune.learning_rate = 2e-3

    config.ternary = ConfigDict()  # signs, levels and biases, straight through
    config.ternary.level = "theorem"
    config.ternary.steps = 16_000
    config.ternary.learning_rate = 2e-3

    config.look_every = 500  # steps between two points of the curves
    return config
