"""LeNet-5-Caffe on MNIST, trained on images that are moved by up to two pixels; three levels.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet5_shifted.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 11 minutes on one CPU core
Expected: a file about 548 times smaller than float32 (541 to 553), test error 0.7 to 0.9 %

Images are judged as they are. Networks of the literature were mostly trained on images as they are:
beside their numbers, say that these were not.
"""

from ml_collections import ConfigDict

from experiments.configs import mnist_lenet5


def get_config() -> ConfigDict:
    """The other configuration with shifts, more weights of fewer units, a level, and more steps."""
    config = mnist_lenet5.get_config()
    config.name = "mnist_lenet5_shifted"
    config.data.shift = 2

    config.train.steps = 4_000
    config.penalty.steps = 30_000
    config.prune.widths = (10, 24, 60)
    config.prune.density = 0.0080  # 3,444 weights
    config.prune.steps = 18_000
    config.quantize.levels = 3
    config.quantize.steps = 10_000
    config.quantize.learning_rate = 5e-4
    return config
