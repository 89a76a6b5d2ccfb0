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

from experiments.configs import cifar10_resnet20


def get_config() -> ConfigDict:
    """The configuration of ResNet-20 with another network and far fewer weights."""
    config = cifar10_resnet20.get_config()
    config.name = "cifar10_vgg16"
    config.model = "vgg_16"
    config.train.steps = 7_000
    config.train.learning_rate = 0.05
    config.penalty.steps = 17_500
    config.penalty.learning_rate = 0.05
    config.prune.density = 0.0079
    config.prune.steps = 8_750
    config.quantize.steps = 5_250
    config.settle.steps = 1_000
    config.settle.learning_rate = 5e-4
    config.biases.bits = 8
    return config
