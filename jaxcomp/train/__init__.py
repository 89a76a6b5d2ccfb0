"""Trains networks by a pure step and loops around it, for any loss, data and optimizer."""

from jaxcomp.train.checkpoints import Checkpoints, ResumeError
from jaxcomp.train.evaluate import evaluate
from jaxcomp.train.loop import NonFiniteLossError, fit, fit_scan
from jaxcomp.train.many import init_many, make_many
from jaxcomp.train.scan import make_scan
from jaxcomp.train.sharding import batch_sharding, make_mesh, place_batch, shardings_of
from jaxcomp.train.step import TrainState, init_state, make_step, make_update

__all__ = [
    "Checkpoints",
    "NonFiniteLossError",
    "ResumeError",
    "TrainState",
    "batch_sharding",
    "evaluate",
    "fit",
    "fit_scan",
    "init_many",
    "init_state",
    "make_many",
    "make_mesh",
    "make_scan",
    "make_step",
    "make_update",
    "place_batch",
    "shardings_of",
]
