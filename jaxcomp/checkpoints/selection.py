"""Tells which arrays of a checkpoint are the network, and which are the state of its training."""

import re
from collections.abc import Sequence

from jaxcomp.checkpoints.checkpoint import CheckpointError
from jaxcomp.codec.names import Names

PARAMS = "params"
STATE = (
    *("opt_state", "batch_stats", "step", "ema"),  # names in Flax and optax
    *("optimizer", "optimizer_weights"),  # names in Keras; PyTorch has the first too
    *("optimizer_state_dict", "optimizer_states"),  # names in PyTorch and Lightning
)
_DEPTH = 2  # a part is at the top, or in one dict around everything


def of_network(
    names: Sequence[Names], only: str | None = None, exclude: str | None = None
) -> list[bool]:
    """Tell for each array by its names whether it belongs to the network.

    The network is everything under `params`, at the top or one level below. If there is no such
    name, it is everything that is not under a name in `STATE`.

    Args:
      names: names of all arrays; `.` and `/` divide a name into parts too.
      only: regular expression; arrays whose name has a match are the network instead.
      exclude: regular expression; arrays whose name has a match do not belong to the network.

    Raises:
      ValueError: if `only` or `exclude` is not a regular expression.

    Example:
      >>> from jaxcomp.checkpoints import of_network
      >>> names = [("params", "kernel"), ("params", "bias"), ("opt_state", "mu")]
      >>> of_network(names), of_network(names, exclude="bias")
      ([True, True, False], [True, False, False])
    """
    whole = ["/".join(map(str, one)) for one in names]
    if only is None:
        places = [_place(name) for name in whole]
        own = PARAMS if PARAMS in places else None
        chosen = [place == own for place in places]
    else:
        wanted = _expression(only)
        chosen = [wanted.search(name) is not None for name in whole]
    if exclude is not None:
        unwanted = _expression(exclude)
        chosen = [
            one and not unwanted.search(name) for one, name in zip(chosen, whole, strict=True)
        ]
    return chosen


def part_of(names: Names) -> str:
    """Return the name of the part of a checkpoint that an array is in, such as `opt_state`.

    Example:
      >>> from jaxcomp.checkpoints import part_of
      >>> part_of(("opt_state", 0, "mu", "kernel"))
      'opt_state'
    """
    parts = re.split(r"[/.]", "/".join(map(str, names)))
    of_state = [i for i, part in enumerate(parts[:_DEPTH], 1) if part in STATE]
    return "/".join(parts[: of_state[0] if of_state else 1])


def check_any(names: Sequence[Names], chosen: Sequence[bool]) -> None:
    """Check that at least one array is chosen.

    Raises:
      CheckpointError: if there are arrays, and none is chosen.

    Example:
      >>> from jaxcomp.checkpoints import check_any
      >>> check_any([("params", "kernel"), ("step",)], [True, False])
    """
    if names and not any(chosen):
        some = ", ".join(repr("/".join(map(str, one))) for one in names[:3])
        raise CheckpointError(
            f"none of the {len(names)} arrays, such as {some}, is taken for the network: choose "
            "others with `only` and `exclude`, or keep all with `keep_state`"
        )


def _place(name: str) -> str | None:
    """Return the name of the part of a training state that an array is in, the outermost one."""
    parts = re.split(r"[/.]", name)[:_DEPTH]
    return next((part for part in parts if part == PARAMS or part in STATE), None)


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error
