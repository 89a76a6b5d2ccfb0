"""Training: a pure step, a loop around it, evaluation. Loss, data and optimizer are handed in."""

from jaxcomp.train.evaluate import evaluate
from jaxcomp.train.loop import NonFiniteLossError, fit
from jaxcomp.train.step import TrainState, init_state, make_step

__all__ = ["NonFiniteLossError", "TrainState", "evaluate", "fit", "init_state", "make_step"]
