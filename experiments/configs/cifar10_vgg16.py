"""VGG-16 on CIFAR-10: a dense teacher, gradual pruning, two levels.

Command:  python -m experiments.main --config=experiments/configs/cifar10_vgg16.py
          --config.data.name=cifar10
Data:     as of cifar10_resnet20
Cost:     made for an accelerator: five runs at once make 580 steps a second together on an H200
Expected: about 470 times smaller than float32, test error 12.2 %, of one seed on the JPEG copy.
          That of the dense network was not kept, so there is no record yet. With 14 % more
          weights, for one seed, on the validation split, which was not trained on: 12.0 %, 425
          times smaller; dense 11.4 %. With 9 % fewer, pruned in fewer steps, for four seeds: 505
          times smaller (504 to 507), test error 12.6 % (12.5 to 12.9)
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
