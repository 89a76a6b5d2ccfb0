"""Where units sit: the weights into each and out of it, for networks without any zeros."""

from typing import Any, NamedTuple

import numpy as np

from jaxcomp.models import ResNetCIFAR
from tests.prune.networks import linen
from tests.prune.networks.kind import images


class Unit(NamedTuple):
    """The places of one unit."""

    network: str
    into: dict[str, Any]  # the index of what makes it, by parameter
    out: dict[str, Any]  # the index of what it meets
    # Zeros on one side, and what follows: "in": without what makes it, what it meets is not needed;
    # "out": without what it meets, what makes it is not needed; "constant": without the weights
    # that make it, its bias can be folded.
    ways: str = "in out"


_LAST = np.s_[..., 1]
_IN = np.s_[..., 1, :]


def _norm(name, index=_LAST, stats="batch_stats/"):
    return {
        f"params/{name}/scale": index,
        f"params/{name}/bias": index,
        f"{stats}{name}/mean": index,
        f"{stats}{name}/var": index,
    }


def _layer(name, index=_LAST):
    return {f"params/{name}/kernel": index, f"params/{name}/bias": index}


def _head(name, index):
    module = f"MultiHeadDotProductAttention_{name}"
    return {f"params/{module}/{kind}": index for kind in ("kernel", "bias")}


def _kernel(*names, index=_IN):
    return {f"params/{name}/kernel": index for name in names}


_ATTENTION = "MultiHeadDotProductAttention_0"
_PERMUTED = int(np.argsort(np.random.default_rng(1).permutation(8))[1])

UNITS = {
    "dense": Unit("dense, relu", _layer("Dense_0"), _kernel("Dense_1"), "in out constant"),
    "dense, tanh": Unit("dense, tanh", _layer("Dense_1"), _kernel("Dense_2"), "in out constant"),
    "dense, sigmoid": Unit("dense, sigmoid", _layer("Dense_1"), _kernel("Dense_2"), "out constant"),
    "convolution, flattened": Unit(
        "LeNet-5",
        _layer("Conv_1"),
        _kernel("Dense_0", index=np.s_[1::50]),
        "in out constant",
    ),
    "convolution": Unit("LeNet-5", _layer("Conv_0"), _kernel("Conv_1"), "in out constant"),
    "padded": Unit("padded and strided", _layer("Conv_0"), _kernel("Conv_1")),
    "global mean": Unit(
        "padded and strided", _layer("Conv_1"), _kernel("Dense_0"), "in out constant"
    ),
    "depthwise": Unit(
        "depthwise",
        _layer("Conv_0") | _layer("Conv_1"),
        _kernel("Conv_2"),
        "in out constant",
    ),
    "before depthwise": Unit(
        "depthwise", _layer("Conv_0"), _layer("Conv_1") | _kernel("Conv_2"), "in out constant"
    ),
    "grouped": Unit("grouped", _layer("Conv_0"), _kernel("Conv_1", index=np.s_[:, :, 1, :3])),
    "shuffled": Unit("shuffled", _layer("Conv_0"), _kernel("Conv_1", index=np.s_[:, :, 2, :4])),
    "permuted": Unit(
        "shuffled", _layer("Conv_1"), _kernel("Dense_0", index=_PERMUTED), "in out constant"
    ),
    "batch norm": Unit(
        "batch norm",
        _kernel("Conv_0", index=_LAST) | _norm("BatchNorm_0"),
        _kernel("Conv_1"),
        "in out constant",
    ),
    "merged batch norm": Unit(
        "merged batch norm",
        {"Conv_0/kernel": _LAST, "BatchNorm_0/scale": _LAST, "BatchNorm_0/bias": _LAST},
        {"Conv_1/kernel": _IN},
    ),
    "VGG": Unit(
        "VGG",
        _kernel("Conv_4", index=_LAST) | _norm("BatchNorm_4"),
        _kernel("Conv_5"),
    ),
    "VGG, last convolution": Unit(
        "VGG",
        _kernel("Conv_12", index=_LAST) | _norm("BatchNorm_12"),
        _kernel("Dense_0"),
        "in out constant",
    ),
    "ResNet-20": Unit(
        "ResNet-20",
        _kernel("BasicBlock_4/Conv_0", index=_LAST) | _norm("BasicBlock_4/BatchNorm_0"),
        _kernel("BasicBlock_4/Conv_1"),
    ),
    "ResNet-20, last stage's own channel": Unit(
        "ResNet-20",
        _kernel(*(f"BasicBlock_{i}/Conv_1" for i in (6, 7, 8)), index=_LAST)
        | _norm("BasicBlock_6/BatchNorm_1")
        | _norm("BasicBlock_7/BatchNorm_1")
        | _norm("BasicBlock_8/BatchNorm_1"),
        _kernel("BasicBlock_7/Conv_0", "BasicBlock_8/Conv_0", "Dense_0"),
    ),
    "option A, through the sum": Unit(
        "option A",
        _layer("Conv_0")
        | _kernel("Conv_2", index=np.s_[..., 2])
        | _norm("BatchNorm_1", np.s_[2])
        | _kernel("Conv_4", index=np.s_[..., 3])
        | _norm("BatchNorm_3", np.s_[3]),
        _kernel("Conv_1")
        | _kernel("Conv_3", index=np.s_[..., 2, :])
        | _kernel("Dense_0", index=np.s_[3]),
    ),
    "projection": Unit(
        "projection",
        _layer("Conv_2")
        | _kernel("Conv_3", index=_LAST)
        | _norm("BatchNorm_1")
        | _norm("BatchNorm_2"),
        _kernel("Conv_4", "Conv_6"),
    ),
    "DenseNet": Unit(
        "DenseNet",
        _layer("Conv_0"),
        _kernel("Conv_1", "Conv_2", "Dense_0", index=np.s_[..., 3, :]),
    ),
    "padded pooling": Unit(
        "padded pooling", _layer("Conv_1"), _kernel("Dense_0", index=np.s_[[1, 6]])
    ),
    "attention, value": Unit(
        "attention",
        _head("0/value", np.s_[..., 0, 1]),
        _kernel("MultiHeadDotProductAttention_0/out", index=np.s_[0, 1]),
        "in out constant",
    ),
    "attention, head": Unit(
        "attention",
        _head("0/value", np.s_[..., 1, :])
        | _head("0/key", np.s_[..., 1, :])
        | _head("0/query", np.s_[..., 1, :]),
        _kernel("MultiHeadDotProductAttention_0/out", index=np.s_[1]),
    ),
    "attention, silent head": Unit(
        "attention",
        _head("0/value", np.s_[..., 1, :]),
        _kernel("MultiHeadDotProductAttention_0/out", index=np.s_[1])
        | _head("0/key", np.s_[..., 1, :])
        | _head("0/query", np.s_[..., 1, :]),
    ),
    "attention, fused": Unit(
        "attention, fused", _layer("Dense_1", np.s_[..., 17]), _kernel("Dense_2"), "in out constant"
    ),
    "positions": Unit(
        "positions",
        {"params/Positions_0/Embed_0/embedding": _LAST, "params/Positions_0/places": _LAST}
        | _head("0/out", _LAST),
        _kernel("Dense_1")
        | _kernel(
            *(f"MultiHeadDotProductAttention_0/{n}" for n in ("query", "key", "value")), index=1
        ),
    ),
    "transformer, hidden": Unit(
        "transformer, tied", _kernel("Dense_0", index=_LAST), _kernel("Dense_1")
    ),
    "transformer, value": Unit(
        "transformer, tied", _kernel("Attention_1/value", index=_LAST), _kernel("Attention_1/out")
    ),
    "transformer, head": Unit(
        "transformer, tied",
        _kernel(*(f"Attention_0/{n}" for n in ("query", "key", "value")), index=np.s_[:, 4:]),
        _kernel("Attention_0/out", index=np.s_[4:]),
    ),
    "transformer, stream": Unit(
        "transformer, tied",
        {"params/Embed_0/embedding": _LAST}
        | _kernel("Attention_0/out", "Attention_1/out", "Dense_1", "Dense_3", index=_LAST),
        _kernel("Dense_0", "Dense_2")
        | _kernel(*(f"Attention_{i}/{n}" for i in (0, 1) for n in ("query", "key", "value")))
        | {f"params/RMSNorm_{i}/scale": 1 for i in range(5)},
        "in",  # it has a part in the mean of squares
    ),
    "scanned": Unit(
        "scanned",
        _layer("ScanBlock_0/Dense_1", np.s_[1, ..., 2]),
        _kernel("ScanBlock_0/Dense_0", index=np.s_[1, 2]),
        "in out constant",
    ),
    "gated": Unit(
        "gated", _layer("Dense_2") | _layer("Dense_3"), _kernel("Dense_1"), "in out constant"
    ),
    "gate": Unit("gated", _layer("Dense_2"), _layer("Dense_3") | _kernel("Dense_1")),
    "squeeze and excite": Unit(
        "squeeze and excite",
        _layer("Conv_0"),
        _kernel("Conv_1", "Dense_1") | _layer("Dense_0"),
    ),
    "layer scale": Unit("layer scale", _layer("Dense_1"), {"params/LayerScale_0/scale": 1}),
    "transposed": Unit("transposed", _layer("ConvTranspose_0"), _kernel("ConvTranspose_1")),
    "NNX": Unit(
        "NNX, CNN",
        {f"n/{name}": 1 for name in ("scale", "bias", "mean", "var")} | {"a/kernel": _LAST},
        {"b/kernel": _IN},
        "in out constant",
    ),
    "NNX, last": Unit(
        "NNX, CNN", {"b/kernel": _LAST, "b/bias": 1}, {"c/kernel": _IN}, "in out constant"
    ),
    "NNX, hidden": Unit(
        "NNX, attention", {"b/kernel": _LAST, "b/bias": 1}, {"c/kernel": _IN}, "in out constant"
    ),
    "NNX, head": Unit(
        "NNX, attention",
        {
            f"attention/{part}/{name}": np.s_[..., 1, :]
            for part in ("query", "key", "value")
            for name in ("kernel", "bias")
        },
        {"attention/out/kernel": 1},
    ),
    "Equinox, grouped": Unit(
        "Equinox, CNN",
        {"layers/0/weight": 1, "layers/0/bias": 1},
        {"layers/3/weight": np.s_[:2, 1]},
    ),
    "Equinox, average of windows": Unit(
        "Equinox, CNN", {"layers/3/weight": 1, "layers/3/bias": 1}, {"layers/7/weight": _LAST}
    ),
    "Equinox, value": Unit(
        "Equinox, attention",
        {"attention/value_proj/weight": 1, "attention/value_proj/bias": 1},
        {"attention/output_proj/weight": _LAST},
        "in out constant",
    ),
    "Equinox, scanned": Unit(
        "Equinox, scanned",
        {"blocks/one/weight": np.s_[1, 2], "blocks/one/bias": np.s_[1, 2]},
        {"blocks/other/weight": np.s_[1, :, 2]},
        "in out constant",
    ),
}
MORE_NETWORKS = {"ResNet-20": lambda: linen.of(ResNetCIFAR(depth=20), images(1, 8, 8, 3))}
