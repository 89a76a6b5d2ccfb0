"""LeNet-300-100 on MNIST, smaller, trained on images that are moved by up to one pixel.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet300_shifted.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 13 minutes on one CPU core
Expected: a file about 520 times smaller than float32, test error 1.6 to 1.9 %

Images are judged as they are. Networks of the literature were mostly trained on images as they are:
beside their numbers, say that these were not. Of moved images a network learns what a teacher would
tell it, and more: without one, three levels are as good as six are without moved images.
"""

from ml_collections import ConfigDict

from experiments.configs import mnist_lenet300


def get_config() -> ConfigDict:
    """The other configuration with shifts, half of the levels, more steps, and no teacher."""
    config = mnist_lenet300.get_config()
    config.name = "mnist_lenet300_shifted"
    config.data.shift = 1

    config.distill.weight = 0.0
    config.penalty.steps = 120_000
    config.penalty.learning_rate = 4e-3
    config.prune.density = 0.0091  # 2,422 weights
    config.prune.steps = 80_000
    config.quantize.levels = 3
    config.settle.steps = 1_000  # without them the file is what the last step of rounding was
    config.biases.bits = 4
    return config
