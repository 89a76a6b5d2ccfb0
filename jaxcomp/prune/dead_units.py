r"""Removal of units that cannot matter: the network computes the same function with more zeros.

A unit *emits a constant* if every weight into it from a unit that is not constant is zero; the
constant is folded into the next bias. A unit *has no influence* if every weight out of it is zero.
Pruned networks have many of both. A *bias* is not needed where nothing but pooling follows before
the next layer: it is folded into that one's bias. Arrays keep their shapes; what is removed becomes
exact zeros.

Folding is exact in dense layers and in convolutions without padding. Where it is not, the unit
stays and the report says why.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

PyTree = Any


class Dense(NamedTuple):
    """A dense layer: `kernel` [in, out] and, if there is one, `bias` [out]."""

    name: str  # path in the parameters, such as "Dense_0" or "block/Dense_0"


class Conv(NamedTuple):
    """A convolution: `kernel` [..., in, out] and, if there is one, `bias` [out]."""

    name: str
    padding: str = "VALID"  # anything else counts as padding with zeros


class BatchNorm(NamedTuple):
    """Batch normalisation: `scale` and `bias`, and fixed `mean` and `var`, all [channels]."""

    name: str
    use_running_average: bool
    epsilon: float = 1e-5


class Activation(NamedTuple):
    """A function of each entry by itself."""

    function: Callable[[Any], Any]


class MaxPool(NamedTuple):
    """The largest entry of windows; its padding never wins, so that constants stay constant."""


class AveragePool(NamedTuple):
    """The mean of windows."""

    padding: str = "VALID"  # anything else counts as padding with zeros


class Flatten(NamedTuple):
    """All axes but the first as one, channels last and fastest."""

    positions: int  # number of places in the image: height * width


class Residual(NamedTuple):
    """`shortcut(x) + branch(x)`; an empty shortcut is the identity."""

    branch: "tuple[Layer, ...]"
    shortcut: "tuple[Layer, ...]" = ()


Layer = Dense | Conv | BatchNorm | Activation | MaxPool | AveragePool | Flatten | Residual


class DeadUnits(NamedTuple):
    """A network without its dead units."""

    params: PyTree  # arrays in numpy
    nonzeros_before: int
    nonzeros_after: int  # of all parameters
    refused: tuple[str, ...]  # units that had to stay, with the reason


def remove_dead_units(
    params: PyTree,
    layers: Sequence[Layer],
    *,
    inputs: int,
    batch_stats: PyTree | None = None,
) -> DeadUnits:
    """Zero every weight and bias that is not needed for what the network computes.

    Args:
      params: nested dict of arrays, as Linen makes it. Parameters of layers that are not named in
        `layers` are left alone.
      layers: the layers in order, from input to output. All outputs of the last one count.
      inputs: number of channels (or features) of the input.
      batch_stats: running statistics, nested like `params`, if there is a `BatchNorm`.

    Returns:
      Parameters of the same structure, shapes and types, and what was done. The outputs are the
      same up to rounding: only sums of biases are formed anew.

    Raises:
      ValueError: if a `BatchNorm` uses the statistics of its batch, in which nothing is constant.
      KeyError: if a layer is not there; names it and those that are.
    """
    network = _Network(params, batch_stats or {})
    before, after = network.nonzeros(), None
    while after != network.nonzeros():
        after = network.nonzeros()
        network.refused.clear()
        network.fold_biases(layers)
        constants = network.fold(layers, np.full(inputs, np.nan))
        network.drop(layers, np.ones(constants.size, bool))
    return DeadUnits(network.params, before, after, tuple(network.refused))


class _Network:
    """Parameters as they are changed, and the sweeps over the layers.

    A vector of constants has, for each channel, the value that it always has, or NaN if it varies.
    """

    def __init__(self, params: PyTree, batch_stats: PyTree):
        self.params = _copied(params)
        self.batch_stats = batch_stats
        self.refused: list[str] = []

    def nonzeros(self) -> int:
        return sum(int(np.count_nonzero(leaf)) for leaf in jax.tree.leaves(self.params))

    def fold_biases(self, layers: Sequence[Layer]) -> None:
        """From input to output: biases that the next layer gets as they are, into its own bias."""
        passed: dict[str, np.ndarray] = {}  # arrays of the layer before, if its biases come through
        positions = 1
        for layer in layers:
            match layer:
                case Dense(name) | Conv(name):
                    arrays = self._layer(name)
                    if "bias" in passed and "bias" in arrays and not _is_padded(layer):
                        _add_to_bias(arrays, np.tile(passed["bias"], positions))
                        passed["bias"][...] = 0
                    passed, positions = arrays, 1
                case Flatten(positions):
                    pass
                case MaxPool() | AveragePool("VALID"):
                    pass
                case Residual(branch, shortcut):
                    self.fold_biases(branch)
                    self.fold_biases(shortcut)
                    passed = {}
                case _:
                    passed = {}

    def fold(self, layers: Sequence[Layer], constants: np.ndarray) -> np.ndarray:
        """From input to output: constants into the next bias. Gives the constants of the output."""
        for layer in layers:
            match layer:
                case Dense() | Conv():
                    constants = self._fold_into(layer, constants)
                case BatchNorm():
                    constants = self._normalised(layer, constants)
                case Activation(function):
                    values = function(np.nan_to_num(constants).astype(np.float32))
                    constants = np.where(np.isnan(constants), np.nan, np.asarray(values))
                case AveragePool(padding) if padding != "VALID":
                    constants = np.where(constants == 0, 0, np.nan)
                case Flatten(positions):
                    constants = np.tile(constants, positions)
                case Residual(branch, shortcut):
                    constants = self.fold(branch, constants) + self.fold(shortcut, constants)
        return constants

    def drop(self, layers: Sequence[Layer], needed: np.ndarray) -> np.ndarray:
        """From output to input: units without influence. Gives which inputs have one."""
        for layer in reversed(layers):
            match layer:
                case Dense(name) | Conv(name):
                    kernel = self._layer(name)["kernel"]
                    kernel[..., ~needed] = 0
                    self._zero(name, ("bias",), ~needed)
                    needed = kernel.reshape(-1, *kernel.shape[-2:]).any(axis=(0, 2))
                case BatchNorm(name):
                    self._zero(name, ("scale", "bias"), ~needed)
                    # A channel with a scale of zero is its bias, whatever comes in.
                    needed = needed & (self._layer(name).get("scale", needed) != 0)
                case Flatten(positions):
                    needed = needed.reshape(positions, -1).any(axis=0)
                case Residual(branch, shortcut):
                    needed = self.drop(branch, needed) | self.drop(shortcut, needed)
        return needed

    def _fold_into(self, layer: Dense | Conv, constants: np.ndarray) -> np.ndarray:
        arrays = self._layer(layer.name)
        kernel = arrays["kernel"]
        by_input = kernel.reshape(-1, *kernel.shape[-2:])  # [positions, in, out]
        if by_input.shape[1] != constants.size:
            raise ValueError(
                f"{layer.name} has {by_input.shape[1]} inputs, the layer before it "
                f"{constants.size} outputs: check the order of the layers"
            )
        known = ~np.isnan(constants)
        used = by_input.any(axis=(0, 2))
        for stays, reason in (
            (_is_padded(layer), "zero padding makes the next layer see it end at the border"),
            ("bias" not in arrays, "the next layer has no bias to fold it into"),
        ):
            if stays:
                refused = known & used & (constants != 0)
                known &= ~refused
                self.refused += [
                    f"input {unit} of {layer.name} always is {constants[unit]:.6g}: {reason}"
                    for unit in np.flatnonzero(refused)
                ]
        if "bias" in arrays:
            _add_to_bias(arrays, np.where(known, constants, 0))
        kernel[..., known, :] = 0
        silent = ~kernel.reshape(-1, kernel.shape[-1]).any(axis=0)
        bias = arrays.get("bias", np.zeros(silent.size))
        return np.where(silent, bias.astype(np.float64), np.nan)

    def _normalised(self, layer: BatchNorm, constants: np.ndarray) -> np.ndarray:
        if not layer.use_running_average:
            raise ValueError(
                f"{layer.name} normalises by the statistics of its batch, which no unit leaves "
                "constant: give the network as it is evaluated, with use_running_average=True"
            )
        arrays, statistics = self._layer(layer.name), _find(self.batch_stats, layer.name)
        scale, bias = arrays.get("scale", 1.0), arrays.get("bias", 0.0)
        normal = (constants - statistics["mean"]) / np.sqrt(statistics["var"] + layer.epsilon)
        # A channel whose scale is zero is constant whatever comes in.
        return np.where(np.asarray(scale) == 0, bias, normal * scale + bias)

    def _layer(self, name: str) -> dict[str, np.ndarray]:
        return _find(self.params, name)

    def _zero(self, name: str, leaves: Sequence[str], which: np.ndarray) -> None:
        for leaf in leaves:
            if leaf in self._layer(name):
                self._layer(name)[leaf][which] = 0


def _is_padded(layer: Dense | Conv) -> bool:
    return isinstance(layer, Conv) and layer.padding != "VALID"


def _add_to_bias(arrays: dict[str, np.ndarray], constants: np.ndarray) -> None:
    """What a layer without padding makes of constants [in], to its bias."""
    kernel = arrays["kernel"]
    by_input = kernel.reshape(-1, *kernel.shape[-2:])  # [positions, in, out]
    arrays["bias"][...] = arrays["bias"] + constants @ by_input.sum(axis=0, dtype=np.float64)


def _find(tree: PyTree, name: str) -> dict[str, np.ndarray]:
    node = tree
    for part in name.split("/"):
        if part not in node:
            raise KeyError(f"there is no layer {name!r}: {part!r} is not among {sorted(node)}")
        node = node[part]
    return node


def _copied(tree: PyTree) -> PyTree:
    if isinstance(tree, Mapping):
        return {key: _copied(child) for key, child in tree.items()}
    return np.array(tree)
