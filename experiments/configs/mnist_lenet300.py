"""LeNet-300-100 on MNIST: the recipe of the digits at full size.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet300.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 100 s on two CPU cores, and 20 s once to decode the data
Expected: a file about 114 times smaller than float32, test error 1.9 to 2.2 %

The values were chosen on the validation split, 5,000 examples of the training set.
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The configuration of the digits with other data, more steps and a weaker penalty."""
    config = digits_lenet300.get_config()
    config.name = "mnist_lenet300"
    config.data.name = "mnist"
    config.batch_size = 128

    config.train.steps = config.penalty.steps = 8_000
    config.penalty.weight = 0.003
    config.finetune.steps = 4_000
    config.finetune.learning_rate = 2e-3
    config.quantize.steps = 16_000
    config.quantize.learning_rate = 2e-3

    config.look_every = 500
    return config
