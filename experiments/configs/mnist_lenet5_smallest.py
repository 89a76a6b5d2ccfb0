"""LeNet-5-Caffe on MNIST, in half of the bytes, with an error below one percent.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet5_smallest.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     one to two hours on one CPU core
Expected: a file about 1,125 times smaller than float32 (1,113 to 1,135), test error 0.7 to 1.0 %

Images are moved while training, as in `mnist_lenet5_shifted`. Few units of which many weights are
left are smaller at the same error than many units of which few are: places cost less.
"""

from ml_collections import ConfigDict

from experiments.configs import mnist_lenet5_shifted


def get_config() -> ConfigDict:
    """The shifted configuration with half of its weights and units, and more steps."""
    config = mnist_lenet5_shifted.get_config()
    config.name = "mnist_lenet5_smallest"
    config.penalty.steps = 120_000
    config.prune.widths = (8, 14, 30)
    config.prune.density = 0.0042  # 1,808 weights
    config.prune.steps = 80_000
    return config
