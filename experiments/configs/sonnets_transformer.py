"""A small transformer on Shakespeare's sonnets, which are bundled: pruned on the way, seven levels.

Command:  python -m experiments.main --config=experiments/configs/sonnets_transformer.py
Cost:     14 to 18 minutes on one CPU core
Expected: a file about 31 times smaller than float32; in bits of each next character, cross-entropy
          2.37 of the dense network and 2.45 (2.43 to 2.46) of the stored one, on the test split

The values were tried on the validation split, a few times: more levels for fewer weights gave
smaller files and fewer errors than three levels for a fifth of the weights.
"""

from ml_collections import ConfigDict

from experiments.configs import digits_lenet300


def get_config() -> ConfigDict:
    """The digits' configuration with text, a transformer, and gradual pruning."""
    config = digits_lenet300.get_config()
    config.name = "sonnets_transformer"
    config.data.name = "sonnets"
    config.model = "transformer"
    config.batch_size = 32

    config.dropout.hidden_dropout = 0.1
    config.train.steps = 3_000
    config.train.learning_rate = 3e-3

    config.distill.weight = 0.5

    config.penalty.name = "l1_over_l2"
    config.penalty.strength = 1e-3
    config.penalty.scope = "global"
    config.penalty.level_strength = 0.0
    config.penalty.l2 = 1e-4
    config.penalty.start = "dense"
    config.penalty.steps = 4_000
    config.penalty.learning_rate = 3e-3

    config.prune.density = 0.12
    config.prune.steps = 2_000

    config.finetune.steps = 0
    config.quantize.number = 7
    config.quantize.steps = 3_000
    config.quantize.learning_rate = 5e-4
    config.biases.bits = 8
    config.look_every = 200
    return config
