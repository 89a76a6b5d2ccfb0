"""LeNet-300-100 on the digits that scikit-learn bundles: the whole way from loss to file, offline.

Command:  python -m experiments.main
Cost:     15 to 30 s on two CPU cores
Expected: a file about 84 times smaller than float32, test accuracy within 2 points of dense

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
    config.data.train_on_validation = False  # after all has been chosen, train on both
    config.data.shift = 0  # pixels by which images are moved at most while training
    config.data.flip = False  # whether they are mirrored half the time
    config.model = "lenet_300_100"
    config.batch_size = 64
    config.optimizer = "adam"  # of floats; few-valued weights are trained by Adam in any case
    config.precision = "float32"  # of the computation; parameters are float32 in any case
    config.stored = "float32"  # the arrays of the file; bfloat16 is two bytes less for each level
    config.loop = "auto"  # steps are made by the device on accelerators, on CPUs by Python

    config.dropout = ConfigDict()  # of the dense network
    config.dropout.input_dropout = 0.0
    config.dropout.hidden_dropout = 0.0

    config.train = ConfigDict()  # the dense network; in all phases the rate falls by a cosine
    config.train.steps = 2_000
    config.train.learning_rate = 1e-3
    config.train.l2 = 0.0

    config.distill = ConfigDict()  # what all other phases learn from the dense network
    config.distill.weight = 0.0  # the rest is that of the labels
    config.distill.temperature = 2.0

    config.penalty = ConfigDict()  # strength * (P + level_strength * c) + l2 * ||w||^2 / 2
    config.penalty.name = "l1_over_l2"
    config.penalty.strength = 0.03
    config.penalty.scope = "global"
    config.penalty.groups = "none"
    config.penalty.level_strength = 100.0  # of l1_over_l2 only
    config.penalty.l2 = 0.0
    config.penalty.decoupled = False  # True: Adam does not scale it, as the weight decay of AdamW
    config.penalty.start = "init"  # or "dense"
    config.penalty.steps = 2_000
    config.penalty.learning_rate = 1e-3

    config.prune = ConfigDict()  # keep the largest scores
    config.prune.density = 0.07
    config.prune.scope = "global"
    config.prune.steps = 0  # of the penalty phase, to get there gradually; 0 for at its end
    config.prune.widths = ()  # hidden units to start with, one number for each layer; () for all
    config.prune.structure = 0.0  # how much weights of full rows and columns are preferred

    config.finetune = ConfigDict()  # the survivors, as floats
    config.finetune.steps = 1_000
    config.finetune.learning_rate = 5e-3

    config.gap = ConfigDict()  # the ternary gap of the survivors, ramped up to this weight
    config.gap.strength = 0.0
    config.gap.steps = 0
    config.gap.learning_rate = 1e-3

    config.quantize = ConfigDict()  # signs, levels and rounded biases, straight through
    config.quantize.quantizer = "levels"  # or "bits"
    config.quantize.number = 1  # magnitudes in each tensor, 1 is ternary; or bits
    config.quantize.by_layer = ()  # or one number for each layer; () for `number` in all
    config.quantize.level = "theorem"  # how that one is fitted
    config.quantize.per = "tensor"  # or "unit"
    config.quantize.steps = 2_000
    config.quantize.learning_rate = 5e-3

    config.settle = ConfigDict()  # the same again, from weights that are at their levels
    config.settle.steps = 0
    config.settle.learning_rate = 1e-3

    config.biases = ConfigDict()  # while signs and levels are trained, and in the file
    config.biases.bits = 5  # 0: as many as `stored` has

    config.mesh = ConfigDict()  # devices along each axis; -1 in one place for all that are left
    config.mesh.data = 1  # batches are spread over this one
    config.mesh.fsdp = 1  # over this one too, and parameters by the rules
    config.mesh.model = 1
    config.mesh.rules = ()  # such as (("kernel$", (None, "model")),); the others are everywhere

    config.look_every = 50  # steps between two points of the curves
    return config
