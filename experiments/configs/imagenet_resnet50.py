"""ResNet-50 on ImageNet: dense, then pruned on the way to a tenth of its weights, 15 levels.

Command:  python -m experiments.main --config=experiments/configs/imagenet_resnet50.py
Data:     ImageNet prepared by TFDS (the error of a machine without it says how), streamed
Cost:     made for accelerators, some 190 passes over the training set; not measured yet
Expected: not measured yet

The recipe of the other networks with batches of 1,024 and Nesterov's momentum, without a teacher,
which would cost a second network at each step.
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300

_PASS = 1_238  # steps


def get_config() -> ConfigDict:
    """The digits' configuration with streamed images, mirrored half the time, and SGD."""
    config = digits_lenet300.get_config()
    config.name = "imagenet_resnet50"
    config.data.name = "imagenet2012"
    config.data.flip = True
    config.model = "resnet_50"
    config.batch_size = 1_024
    config.optimizer = "sgd"
    config.precision = "bfloat16"
    config.mesh.data = -1

    config.train.steps = 90 * _PASS
    config.train.learning_rate = 0.4
    config.train.l2 = 5e-5

    config.penalty.strength = 1e-3
    config.penalty.level_strength = 0.0
    config.penalty.l2 = 5e-5
    config.penalty.start = "dense"
    config.penalty.steps = 80 * _PASS
    config.penalty.learning_rate = 0.1

    config.prune.density = 0.1
    config.prune.steps = 50 * _PASS

    config.finetune.steps = 0
    config.quantize.number = 15
    config.quantize.steps = 20 * _PASS
    config.quantize.learning_rate = 1e-4
    config.stored = "bfloat16"
    config.biases.bits = 0
    config.look_every = _PASS
    return config
