"""What a configuration cannot say, found before any data is read."""

import math

from ml_collections import ConfigDict

from experiments.settings.keys import leaves
from experiments.settings.networks import PRECISIONS
from experiments.settings.optimizers import OPTIMIZERS
from jaxcomp.data import DATASETS
from jaxcomp.losses import ARRAY_SCOPES, GROUPS, SCOPES
from jaxcomp.models import MODELS
from jaxcomp.quantize import LEVELS, PER
from jaxcomp.quantize.uniform import MAX_BITS
from jaxcomp.quantizers import QUANTIZERS, TRAINED
from jaxcomp.recipe.penalties import NAMES, PROX

LOOPS = ("auto", "python", "device")

CHOICES = {
    "data.name": DATASETS,
    "model": MODELS,
    "optimizer": OPTIMIZERS,
    "precision": PRECISIONS,
    "stored": PRECISIONS,
    "loop": LOOPS,
    "penalty.name": NAMES,
    "penalty.scope": SCOPES,
    "penalty.groups": ("none", *GROUPS),
    "penalty.start": ("init", "dense"),
    "prune.scope": ARRAY_SCOPES,
    "quantize.quantizer": TRAINED,
    "quantize.level": LEVELS,
    "quantize.per": PER,
}
_MAY_BE_ZERO = (
    "seed",
    "data.split_seed",
    "penalty.strength",
    "data.train_on_validation",
    "data.shift",
    "data.flip",
    "train.l2",
    "dropout.input_dropout",
    "dropout.hidden_dropout",
    "penalty.level_strength",
    "penalty.l2",
    "penalty.decoupled",
    "penalty.steps",
    "prune.steps",
    "prune.structure",
    "gap.strength",
    "gap.steps",
    "distill.weight",
    "quantize.steps",
    "settle.steps",
    "finetune.steps",
    "biases.bits",
)


def check(config: ConfigDict) -> None:
    """Refuse a configuration that cannot work, before any data is read or code compiled.

    Raises:
      ValueError: names the key, its value and what it can be.
    """
    values = dict(leaves(config))
    for key, choices in CHOICES.items():
        if values[key] not in choices:
            raise ValueError(f"{key}={values[key]!r}: choose from {', '.join(choices)}")
    for key, value in values.items():
        if not isinstance(value, int | float):
            continue
        if key.startswith("mesh."):  # checked with the devices that are there
            continue
        may_be_zero = key in _MAY_BE_ZERO
        if not math.isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
            bound = "at least 0" if may_be_zero else "greater than 0"
            raise ValueError(f"{key}={value} must be finite and {bound}")
    for key, bound in (("prune.density", "(0, 1]"), ("distill.weight", "[0, 1]")):
        if values[key] > 1:
            raise ValueError(f"{key}={values[key]}: a fraction in {bound}")
    for key in ("dropout.input_dropout", "dropout.hidden_dropout"):
        if values[key] >= 1:
            raise ValueError(f"{key}={values[key]}: a fraction in [0, 1)")
    _check_together(values)
    if values["biases.bits"] not in (0, *range(2, MAX_BITS + 1)):
        raise ValueError(
            f"biases.bits={values['biases.bits']}: 2 to {MAX_BITS}, or 0 for the type that arrays "
            "are stored in"
        )


def _check_together(values: dict[str, object]) -> None:
    """Refuse values that are good alone, but not together."""
    if values["penalty.scope"] == "unit" and values["penalty.groups"] != "none":
        raise ValueError("penalty.scope='unit' does not go with penalty.groups: choose one of them")
    plain_ratio = values["penalty.name"] == "l1_over_l2" and values["penalty.groups"] == "none"
    if values["penalty.level_strength"] and not plain_ratio:
        raise ValueError(
            f"penalty.level_strength={values['penalty.level_strength']} is for l1_over_l2 without "
            "groups: set it to 0, and use penalty.l2 with other penalties"
        )
    if values["prune.steps"] > values["penalty.steps"]:
        raise ValueError(
            f"prune.steps={values['prune.steps']} are those of the penalty phase in which weights "
            f"are pruned, at most penalty.steps={values['penalty.steps']}"
        )
    _check_model(values)
    _check_quantizer(values)
    _check_layers(values)
    if values["optimizer"] != "adam" and not _is_any_optimizers(values):
        raise ValueError(
            f"optimizer={values['optimizer']!r}: a penalty that is decoupled, or a proximal "
            "operator that is not, is scaled as Adam scales its updates: set optimizer to 'adam', "
            f"or penalty.decoupled to {not values['penalty.decoupled']}"
        )
    if values["prune.structure"] and not values["prune.steps"]:
        raise ValueError("prune.structure needs pruning on the way: set prune.steps")


def _is_any_optimizers(values: dict[str, object]) -> bool:
    """Whether the penalty goes with an optimizer other than Adam."""
    return str(values["penalty.name"]).startswith(PROX) == values["penalty.decoupled"]


def _check_model(values: dict[str, object]) -> None:
    """Refuse what the model does not have, such as units to drop, or does not read."""
    name = values["model"]
    for key in ("input_dropout", "hidden_dropout"):
        rate = values[f"dropout.{key}"]
        if rate and not hasattr(MODELS[name](), key):
            raise ValueError(f"dropout.{key}={rate}: {name} has none, set it to 0")
    data = DATASETS[values["data.name"]]
    if data.is_text and (values["data.shift"] or values["data.flip"]):
        raise ValueError("data.shift and data.flip move images: set them to 0 and False for text")
    if not data.in_memory and values["loop"] == "device":
        raise ValueError(f"loop='device': {values['data.name']} is streamed, set it to 'auto'")
    try:
        MODELS[name]().takes.check(data.input_shape)
    except ValueError as error:
        raise ValueError(
            f"model={name!r} does not go with data.name={values['data.name']!r}: {error}"
        ) from error


def _check_quantizer(values: dict[str, object]) -> None:
    """Refuse numbers that a quantizer does not take."""
    name, per = values["quantize.quantizer"], values["quantize.per"]
    by_layer = {f"quantize.by_layer[{i}]": n for i, n in enumerate(values["quantize.by_layer"])}
    for key, number in {"quantize.number": values["quantize.number"], **by_layer}.items():
        try:
            QUANTIZERS[name].check(key, number)
        except TypeError as error:
            raise ValueError(f"quantize.quantizer={name!r}: {error}") from error
    if per == "unit" and not QUANTIZERS[name].trained.per_unit:
        raise ValueError(f"quantize.per={per!r}: {name} are of a whole tensor, set it to 'tensor'")


def _check_layers(values: dict[str, object]) -> None:
    """Refuse lists with a number for each layer that cannot be right for any network."""
    name, widths = values["model"], values["prune.widths"]
    if not widths:
        return
    if values["penalty.start"] != "init":
        raise ValueError(f"prune.widths={widths} needs new weights: set penalty.start to 'init'")
    most = getattr(MODELS[name], "widths", None)
    if most is None:
        raise ValueError(f"prune.widths={widths}: units of {name} cannot be left out, set it to ()")
    if len(widths) != len(most) or any(not 1 <= a <= b for a, b in zip(widths, most, strict=True)):
        raise ValueError(
            f"prune.widths={widths}: one number for each hidden layer, from 1 to {most}, or ()"
        )
