"""LeNet-300-100 on the digits that scikit-learn bundles: the whole way from loss to file, offline.

Command:  python -m experiments.main
Cost:     15 to 30 s on two CPU cores
Expected: a file about 78 times smaller than float32, test accuracy within 2 points of dense

The values were chosen on the validation split.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The configuration; every key can be overridden by `--config.KEY=VALUE`."""
    config = ConfigDict()
    config.name = "digits_lenet300"
    config.seed = 0  # initial weights and order of the batches

    config.data = ConfigDict()
    config.data.name = "digits"
    config.data.split_seed = 0  # which examples are for training, validation and test
    config.model = "lenet_300_100"
    config.batch_size = 64

    config.train = ConfigDict()  # Adam with cosine decay; once without the penalty, once with it
    config.train.steps = 2_000
    config.train.learning_rate = 1e-3

    config.penalty = ConfigDict()  # weight * (L + magnitude * c)
    config.penalty.weight = 0.03
    config.penalty.magnitude = 100.0
    config.penalty.scope = "global"

    config.prune = ConfigDict()  # keep the largest magnitudes
    config.prune.density = 0.07
    config.prune.scope = "global"

    config.finetune = ConfigDict()  # the survivors, as floats
    config.finetune.steps = 1_000
    config.finetune.learning_rate = 5e-3

    config.ternary = ConfigDict()  # signs, levels and biases, straight through
    config.ternary.level = "theorem"
    config.ternary.steps = 2_000
    config.ternary.learning_rate = 5e-3

    config.biases = ConfigDict()  # after the last step
    config.biases.bits = 5  # 0 leaves them in float32

    config.look_every = 50  # steps between two points of the curves
    return config
