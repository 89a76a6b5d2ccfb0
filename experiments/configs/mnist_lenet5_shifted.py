"""LeNet-5-Caffe on MNIST, trained for long on images that are moved by up to two pixels.

Command:  python -m experiments.main --config=experiments/configs/mnist_lenet5_shifted.py
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 40 minutes on one CPU core
Expected: a file about 578 times smaller than float32 (561 to 590), test error 0.6 to 0.8 %

Images are judged as they are. Networks of the literature were mostly trained on images as they are:
beside their numbers, say that these were not. Moved images are new ones at each step, of which a
small network learns for longer; it learns as well without a teacher, in steps that cost less.
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
    config.name = "mnist_lenet5_shifted"

    config.penalty.l2 = 0.0002
    config.penalty.learning_rate = 0.004
    config.penalty.level_strength = 0.0
    config.penalty.name = "none"
    config.penalty.steps = 80_000
    config.penalty.strength = 1e-05

    config.prune.density = 0.0087  # 3,745 weights
    config.prune.steps = 54_000
    config.prune.structure = 0.15
    config.prune.widths = (10, 24, 60)

    config.quantize.by_layer = (4, 4, 2, 4)  # the third has half of the weights
    config.quantize.learning_rate = 0.0005
    config.quantize.number = 2
    config.quantize.steps = 10_000
    config.settle.steps = 1_000  # without them the file is what the last step of rounding was

    config.train.learning_rate = 0.002
    config.train.steps = 4_000  # the dense network is what the others are held against
    return config
