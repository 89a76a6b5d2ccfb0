"""Lets several processes that train together agree (`jax.distributed`)."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

PyTree = Any


def is_first() -> bool:
    """Tell whether this process is the one that shows and writes."""
    return jax.process_index() == 0


def any_of_them(here: bool) -> bool:
    """Tell whether something holds in any process; all of them must ask, at the same time."""
    if jax.process_count() == 1:
        return here
    return bool(multihost_utils.process_allgather(np.array(here)).any())


def wait_for_all(what: str) -> None:
    """Wait until all processes have reached the place of this name."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def gathered(tree: PyTree) -> PyTree:
    """Return arrays of which no other process has a part; all must ask, at the same time."""
    if jax.process_count() == 1:
        return tree
    return multihost_utils.process_allgather(tree, tiled=True)
