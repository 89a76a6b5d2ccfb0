"""LeNet-5-Caffe on MNIST, in half of the bytes, with an error below one percent.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet5_smallest.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     one to two hours on one CPU core
Expected: a file about 1,125 times smaller than float32 (1,113 to 1,135), test error 0.7 to 1.0 %

Images are moved while training, as in `mnist_lenet5_shifted`. Few units of which many weights are
left are smaller at the same error than many units of which few are: places cost less.
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The digits' configuration with all that this network needs."""
    config = digits_lenet300.get_config()
    config.batch_size = 128

    config.data.name = "mnist"
    config.data.shift = 2
    config.data.train_on_validation = True  # False to choose anything

    config.dropout.hidden_dropout = 0.5

    config.finetune.steps = 0
    config.look_every = 1_000
    config.model = "lenet_5_caffe"
    config.name = "mnist_lenet5_smallest"

    config.penalty.l2 = 0.0002
    config.penalty.learning_rate = 0.004
    config.penalty.level_strength = 0.0
    config.penalty.name = "none"
    config.penalty.steps = 120_000
    config.penalty.strength = 1e-05

    config.prune.density = 0.0042  # 1,808 weights
    config.prune.steps = 80_000
    config.prune.structure = 0.15
    config.prune.widths = (8, 14, 30)

    config.quantize.by_layer = (4, 4, 2, 4)  # the third has half of the weights
    config.quantize.learning_rate = 0.0005
    config.quantize.number = 2
    config.quantize.steps = 10_000
    config.settle.steps = 1_000  # without them the file is what the last step of rounding was

    config.train.learning_rate = 0.002
    config.train.steps = 4_000  # the dense network is what the others are held against
    return config
