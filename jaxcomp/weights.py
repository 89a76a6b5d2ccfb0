"""The one rule for which arrays are weights: in training, pruning, quantizing and files."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from jaxcomp.leaf_names import parent_and_last

# Arrays of two axes or more with these names are left alone, unless a network tells their use.
_NOT_WEIGHTS = ("bias", "scale")
# Rounded to zero, variances are gains of some hundred: 1 / sqrt is what counts.
_VARIANCES = ("var", "running_var", "moving_variance", "variance")
# What is trained beside a tensor, and the array beside it that stands for the tensor.
_BESIDE = {"levels": "latent", "log_alpha": "weight"}
# In the names of what turns the integers beside it into weights.
_OF_INTEGERS = ("scale", "zero_point", "zeros", "absmax")
_USES = ("dense", "convolution", "embedding")


class Parameter(Protocol):
    """What a network knows of one of its parameters."""

    @property
    def use(self) -> str:
        """Name it "dense", "convolution", "embedding", "elementwise", "unused" or "unknown"."""

    @property
    def axes(self) -> Any:
        """Give a `jaxcomp.axes.Axes`, or None where it has none or they are not understood."""

    @property
    def reason(self) -> str:
        """Say why, in a sentence for a person."""


class Network(Protocol):
    """What `jaxcomp.trace` finds out about a network."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Map the name of each leaf (`jaxcomp.trees.path_name`) to what is known of it."""


class Choice(NamedTuple):
    """Whether one array counts as weights, and why."""

    name: str
    shape: tuple[int, ...]
    is_weight: bool
    why: str


def are_weights(leaves: Sequence[tuple[str, Any]], network: Network | None = None) -> list[bool]:
    """Tell of each named leaf whether it is weights (see `choices`)."""
    return [choice.is_weight for choice in choices(leaves, network)]


def choices(leaves: Sequence[tuple[str, Any]], network: Network | None = None) -> list[Choice]:
    """Tell of each named leaf whether it is weights, and why.

    Weights are of floating-point type. With a network those are weights that it uses in a dense
    layer, a convolution or an embedding, whatever their names are. Without one they have two or
    more axes, do not scale integers (see `scale_integers`), are not trained beside a tensor (the
    levels of a `Quantized`, the gates of a `Gated`), and are not called `bias`, `scale` or by a
    name of variances.

    Args:
      leaves: names, with parts divided by `/` or `.`, and what has a `shape` and a `dtype`.
      network: from `jaxcomp.trace`.

    Raises:
      ValueError: if the network has no parameter of a leaf's name.
      TypeError: if it is no network.
    """
    check_network(network)
    names = {name for name, _ in leaves}

    def chosen(name: str, leaf: Any, scales: bool) -> Choice:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            found = False, f"it is of type {leaf.dtype}, not floating-point"
        elif network is not None:
            found = _by_use(name, network)
        else:
            found = _by_name_and_shape(name, leaf, scales, names)
        return Choice(name, tuple(leaf.shape), *found)

    return [
        chosen(name, leaf, scales)
        for (name, leaf), scales in zip(leaves, scale_integers(leaves), strict=True)
    ]


def check_network(network: Network | None) -> None:
    """Raise a TypeError unless `network` is None, or has parameters by name."""
    if network is not None and not isinstance(getattr(network, "parameters", None), Mapping):
        raise TypeError(f"network must be one that `jaxcomp.trace` gives, got {network!r}")


def parameter_of(network: Network, name: str) -> Parameter:
    """What a network knows of a leaf; inside a node for one tensor, what it knows of the tensor.

    Raises:
      ValueError: if it has no such parameter.
    """
    known = network.parameters
    if name in known:
        return known[name]
    parent, last = parent_and_last(name)
    if parent in known and last in (*_BESIDE, *_BESIDE.values()):
        return known[parent]
    raise ValueError(
        f"the network has no parameter {name!r}, it has {', '.join(map(repr, known))}: trace it "
        "with parameters of the tree that is given here, such as `jaxcomp.trace(apply, params, x)`"
    )


def scale_integers(leaves: Sequence[tuple[str, Any]]) -> list[bool]:
    """Tell of each named leaf whether it scales the integers of a quantized tensor beside it.

    It is of floating-point type, in the same dict as an array of integers of two axes or more, or
    below its name, and either its name says so (`w_scale`, `absmax`), or its shape does: that of
    the integers with some axes of size 1.

    Args:
      leaves: as for `choices`.
    """
    integers: dict[str, set[tuple[int, ...]]] = {}
    for name, leaf in leaves:
        # Indices are of 64 bits, weights never.
        is_integer = jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.dtype.itemsize < 8
        if is_integer and len(leaf.shape) >= 2:
            for place in (parent_and_last(name)[0], name):
                integers.setdefault(place, set()).add(tuple(leaf.shape))

    def scales(name: str, leaf: Any) -> bool:
        parent, last = parent_and_last(name)
        if parent not in integers or not jnp.issubdtype(leaf.dtype, jnp.floating):
            return False
        if any(word in last.lower() for word in _OF_INTEGERS):
            return True
        shape = tuple(leaf.shape)
        return 1 in shape and any(
            len(whole) == len(shape)
            and whole != shape
            and all(size in (1, full) for size, full in zip(shape, whole, strict=True))
            for whole in integers[parent]
        )

    return [scales(name, leaf) for name, leaf in leaves]


def is_variance(name: str) -> bool:
    """Whether the last part of a name is one that variances have."""
    return parent_and_last(name)[1] in _VARIANCES


def _by_use(name: str, network: Network) -> tuple[bool, str]:
    parameter, last = parameter_of(network, name), parent_and_last(name)[1]
    if name not in network.parameters and last in _BESIDE:
        return False, f"it is trained beside {_BESIDE[last]!r}"
    why = "; ".join(filter(None, (f"its use: {parameter.use}", parameter.reason)))
    return parameter.use in _USES, why


def _by_name_and_shape(name: str, leaf: Any, scales: bool, names: set[str]) -> tuple[bool, str]:
    last, rank = parent_and_last(name)[1], len(leaf.shape)
    if rank < 2:
        return False, f"it has {rank} {'axis' if rank == 1 else 'axes'}, weights have 2 or more"
    if scales:
        return False, "it scales the integers beside it"
    if last in _BESIDE and name.removesuffix(last) + _BESIDE[last] in names:
        return False, f"it is trained beside {_BESIDE[last]!r}"
    if last in (*_NOT_WEIGHTS, *_VARIANCES):
        return False, f"its name alone, {last!r}; a mask or a network can include it"
    return True, f"it has {rank} axes, and its name is not one of {', '.join(_NOT_WEIGHTS)}"
