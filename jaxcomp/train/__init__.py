"""Training: a pure step, a loop around it, evaluation. Loss, data and optimizer are handed in."""

from jaxcomp.train.evaluate import evaluate
from jaxcomp.train.loop import NonFiniteLossError, fit
from jaxcomp.train.many import init_many, make_many
from jaxcomp.train.step import TrainState, init_state, make_step, make_update

__all__ = [
    "NonFiniteLossError",
    "TrainState",
    "evaluate",
    "fit",
    "init_many",
    "init_state",
    "make_many",
    "make_step",
    "make_update",
]
