"""LeNet-300-100 on MNIST, as all methods of the comparison share it: no teacher, 4,000 weights.

Command:  python -m experiments.main --config=experiments/configs/mnist_baselines.py
          python -m experiments.sweeps.baselines (all methods)
Data:     MNIST prepared by TFDS (the error of a machine without it says how)
Cost:     about 40 s on one CPU core
Expected: a file about 375 times smaller than float32, validation error about 2.3 % (with l2)

Each method begins at the initial weights; its own weight and learning rate are chosen on the
validation split. The sweep compares three ways to go on from the sparse network; this is one.
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The digits' configuration with all that this network needs."""
    config = digits_lenet300.get_config()
    config.batch_size = 128

    config.data.name = "mnist"

    config.finetune.steps = 0
    config.look_every = 2_000
    config.name = "mnist_baselines"

    config.penalty.learning_rate = 0.008
    config.penalty.level_strength = 0.0
    config.penalty.name = "l2"
    config.penalty.steps = 8_000
    config.penalty.strength = 0.0002

    config.prune.density = 0.015  # 3,993 weights
    config.prune.steps = 5_000
    config.prune.structure = 0.25

    config.quantize.learning_rate = 0.004
    config.quantize.number = 2
    config.quantize.steps = 4_000

    config.train.steps = 1  # no dense network is needed
    return config
