"""VGG-16 on CIFAR-10: a dense teacher, gradual pruning, two levels.

Command:  python -m experiments.main --config=experiments/configs/cifar10_vgg16.py
          --config.data.name=cifar10
Data:     as of cifar10_resnet20
Cost:     made for an accelerator: 9 minutes for five runs at once on an H200, with a ResNet-20 and
          benchmarks beside them
Expected: about 454 times smaller than float32 (451 to 458), test error 12.0 % (11.8 to 12.2),
          dense 11.4 % (11.1 to 11.8), on the JPEG copy. Since then the step of batch norm's arrays
          is found when a file is written: the same networks are 461 times smaller (458 to 466)
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The digits' configuration with all that this network needs."""
    config = digits_lenet300.get_config()
    config.batch_size = 256
    config.biases.bits = 8

    config.data.flip = True
    config.data.name = "cifar10_jpeg"
    config.data.shift = 4
    config.data.train_on_validation = True  # False to choose anything

    config.distill.temperature = 4.0
    config.distill.weight = 0.5

    config.finetune.steps = 0
    config.look_every = 1_750
    config.model = "vgg_16"
    config.name = "cifar10_vgg16"
    config.optimizer = "sgd"

    config.penalty.l2 = 0.0005
    config.penalty.learning_rate = 0.05
    config.penalty.level_strength = 0.0
    config.penalty.name = "none"
    config.penalty.start = "dense"
    config.penalty.steps = 17_500
    config.precision = "bfloat16"

    config.prune.density = 0.0079
    config.prune.steps = 8_750

    config.quantize.learning_rate = 0.0005
    config.quantize.number = 2
    config.quantize.steps = 5_250
    config.settle.learning_rate = 0.0005
    config.settle.steps = 1_000
    config.stored = "bfloat16"

    config.train.l2 = 0.0005
    config.train.learning_rate = 0.05
    config.train.steps = 7_000
    return config
