"""Decides which arrays are weights: one rule for training, pruning, quantizing and files."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from jaxcomp.leaf_names import parent_and_last

# Arrays with these names are not weights, whatever their shape, unless a network says otherwise.
_NOT_WEIGHTS = ("bias", "scale")
# Networks divide by the root of a variance: one that is rounded to zero becomes a gain of hundreds.
_VARIANCES = ("var", "running_var", "moving_variance", "variance")
# An array that is trained beside a tensor, and the sibling that holds the tensor itself.
_BESIDE = {"levels": "latent", "log_alpha": "weight"}
# These words are in the names of arrays that turn the integers beside them into weights.
_OF_INTEGERS = ("scale", "zero_point", "zeros", "absmax")
_USES = ("dense", "convolution", "embedding")


class Parameter(Protocol):
    """Says what a network does with one of its parameters."""

    use: str  # "dense", "convolution", "embedding", "elementwise", "unused" or "unknown"
    axes: Any  # a `jaxcomp.axes.Axes`, or None where there are none or they are not understood
    reason: str  # a sentence for a person


class Network(Protocol):
    """Holds the parameters of a traced network, as `jaxcomp.trace` returns it."""

    parameters: Mapping[str, Parameter]  # by the name of the leaf (`jaxcomp.trees.path_name`)


class Choice(NamedTuple):
    """Says whether one array counts as weights, and why."""

    name: str
    shape: tuple[int, ...]
    is_weight: bool
    why: str


def are_weights(leaves: Sequence[tuple[str, Any]], network: Network | None = None) -> list[bool]:
    """Return whether each named leaf is an array of weights; `choices` has the rule and the errors.

    Example:
      >>> import jax.numpy as jnp
      >>> are_weights([("layer/kernel", jnp.ones((2, 3))), ("layer/bias", jnp.ones(3))])
      [True, False]
    """
    return [choice.is_weight for choice in choices(leaves, network)]


def choices(leaves: Sequence[tuple[str, Any]], network: Network | None = None) -> list[Choice]:
    """Decide for each named leaf whether it is an array of weights, and give the reason.

    Weights have a floating-point type. With a network, weights are the leaves that it uses in a
    dense layer, a convolution or an embedding, whatever their names are. Without a network, weights
    are the leaves with two or more axes, except

    * leaves that are called `bias`, `scale` or by a name of variances,
    * scales of integers (see `scale_integers`),
    * leaves that are trained beside a tensor: the levels of a `Quantized`, the gates of a `Gated`.

    Args:
      leaves: pairs of a name, whose parts are divided by `/` or `.`, and an object with a `shape`
        and a `dtype`.
      network: the result of `jaxcomp.trace`.

    Raises:
      ValueError: if the network has no parameter with the name of a leaf.
      TypeError: if `network` is not a network.

    Example:
      >>> import jax.numpy as jnp
      >>> for choice in choices([("out/kernel", jnp.ones((2, 3))), ("out/bias", jnp.ones(3))]):
      ...     print(choice.name, choice.is_weight, choice.why, sep=": ")
      out/kernel: True: it has 2 axes, and its name is not one of bias, scale
      out/bias: False: it has 1 axis, weights have 2 or more
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
    """Return the network's parameter for a leaf; for a leaf inside a node, that of the node.

    Raises:
      ValueError: if the network has no such parameter.
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
    """Return whether each named leaf scales the integers of a quantized tensor beside it.

    Such a leaf has a floating-point type. It is in the same dict as an array of integers with two
    or more axes, or below the name of one (`kernel/scale` below `kernel`). Its name shows the
    purpose (`w_scale`, `absmax`), or its shape does: that of the integers with some axes of size 1.

    Args:
      leaves: pairs as in `choices`.

    Example:
      >>> import jax.numpy as jnp
      >>> codes, steps = jnp.ones((4, 3), jnp.int8), jnp.ones((1, 3))
      >>> scale_integers([("layer/codes", codes), ("layer/steps", steps)])
      [False, True]
    """
    integers: dict[str, set[tuple[int, ...]]] = {}
    for name, leaf in leaves:
        # Integers of 64 bits are indices, not weights.
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
    """Return whether the last part of a name is a usual name of variances.

    Example:
      >>> is_variance("norm/running_var"), is_variance("norm/scale")
      (True, False)
    """
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
