"""ResNet-20 on CIFAR-10: a dense teacher, gradual pruning, two levels.

Command:  python -m experiments.main --config=experiments/configs/cifar10_resnet20.py
          --config.data.name=cifar10
Data:     CIFAR-10 prepared by TFDS (the error of a machine without it says how). The name in this
          file is that of a copy encoded anew as JPEG
Cost:     made for an accelerator: 7 minutes on an H200, with five runs of VGG-16 beside it
Expected: about 28 times smaller than float32, test error 13.5 %, dense 13.0 %, of one seed on the
          JPEG copy

Networks are trained by SGD with momentum on images that are shifted and flipped, as in He et al.,
arXiv 1512.03385, in fewer epochs; an epoch is 195 steps. The teacher sees what the others see.
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The digits' configuration with another network, other data, and a teacher."""
    config = digits_lenet300.get_config()
    config.name = "cifar10_resnet20"
    config.data.name = "cifar10_jpeg"
    config.data.train_on_validation = True  # False to choose anything
    config.data.shift = 4
    config.data.flip = True
    config.model = "resnet_20"
    config.batch_size = 256
    config.optimizer = "sgd"
    config.precision = "bfloat16"

    config.train.steps = 10_500
    config.train.learning_rate = 0.2
    config.train.l2 = 5e-4

    config.distill.weight = 0.5
    config.distill.temperature = 4.0

    config.penalty.name = "none"
    config.penalty.level_strength = 0.0
    config.penalty.l2 = 5e-4
    config.penalty.start = "dense"
    config.penalty.steps = 10_500
    config.penalty.learning_rate = 0.1

    config.prune.density = 0.2
    config.prune.steps = 5_250

    config.finetune.steps = 0
    config.quantize.number = 2
    config.quantize.steps = 7_000
    config.quantize.learning_rate = 5e-4

    config.stored = "bfloat16"
    config.biases.bits = 0
    config.look_every = 1_750
    return config
