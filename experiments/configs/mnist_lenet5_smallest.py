"""LeNet-5-Caffe on MNIST, in half of the bytes, with an error of one percent.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet5_smallest.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 20 minutes on one CPU core
Expected: a file about 1,124 times smaller than float32 (1,112 to 1,136), test error 0.9 to 1.3 %

Images are moved while training, as in `mnist_lenet5_shifted`. Few units of which many weights are
left are smaller at the same error than many units of which few are: places cost less.
"""

from ml_collections import ConfigDict

from experiments.configs import mnist_lenet5_shifted


def get_config() -> ConfigDict:
    """The shifted configuration with half of its weights and units, and more steps."""
    config = mnist_lenet5_shifted.get_config()
    config.name = "mnist_lenet5_smallest"
    config.penalty.steps = 80_000
    config.prune.widths = (8, 14, 30)
    config.prune.density = 0.0042  # 1,809 weights
    config.prune.steps = 54_000
    return config
