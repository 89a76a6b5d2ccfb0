"""The command line of an experiment: `--config=FILE.py --config.KEY=VALUE`, checked early."""

import ast
import math
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from absl import flags
from ml_collections import ConfigDict

from experiments.networks import PRECISIONS
from experiments.optimizers import OPTIMIZERS
from experiments.trainer import LOOPS
from jaxcomp.data import DATASETS, STREAMED
from jaxcomp.losses import ARRAY_SCOPES, GROUPS, SCOPES
from jaxcomp.models import MODELS
from jaxcomp.quantize import LEVELS, PER
from jaxcomp.quantize.uniform import MAX_BITS
from jaxcomp.recipe.penalties import NAMES, PROX

DEFAULT = Path(__file__).parent / "configs" / "digits_lenet300.py"

_CHOICES = {
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
    "quantize.level": LEVELS,
    "quantize.per": PER,
}
_MAY_BE_ZERO = (
    "seed",
    "data.split_seed",
    "penalty.weight",
    "data.train_on_validation",
    "data.shift",
    "data.flip",
    "train.l2",
    "dropout.input_dropout",
    "dropout.hidden_dropout",
    "penalty.magnitude",
    "penalty.l2",
    "penalty.decoupled",
    "penalty.steps",
    "prune.steps",
    "prune.structure",
    "gap.weight",
    "gap.steps",
    "distill.weight",
    "quantize.steps",
    "settle.steps",
    "finetune.steps",
    "biases.bits",
)


def parse_flags(argv: list[str]) -> list[str]:
    """Parse absl flags; what is wrong becomes one readable message and exit status 2."""
    given = re.search(r"^--?config[=\n](.*)$", "\n".join(argv), re.MULTILINE)
    path = given and given[1]
    if path is None:
        # Not the flag's own default: overrides would be tried on it where another file is given.
        path = str(DEFAULT)
        argv = [argv[0], f"--config={path}", *argv[1:]]
    if not Path(path).is_file():
        _fail(f"there is no configuration {path}: give a file, as --config=FILE.py")
    try:
        config = load(path)
    except ValueError as error:
        _fail(str(error))
    for key in re.findall(r"^--?config\.([\w.]+)", "\n".join(argv), re.MULTILINE):
        if key not in dict(leaves(config)):
            _fail(f"the configuration has no key {key}\n\n{_describe(config)}")
    try:
        rest = flags.FLAGS(argv)
    except flags.IllegalFlagValueError as error:
        _fail(f"{error}\n\n{_describe(config)}")
    except flags.Error as error:
        _fail(str(error))
    if len(rest) > 1:
        _fail(f"unexpected arguments {rest[1:]}: overrides are --config.KEY=VALUE")
    try:
        check(flags.FLAGS.config)
    except ValueError as error:
        _fail(str(error))
    return rest


def load(path: str | Path) -> ConfigDict:
    """The configuration that a file defines, before overrides.

    Raises:
      ValueError: if the file does not define one, with the keys of the default.
    """
    get_config = runpy.run_path(str(path)).get("get_config")
    if get_config is None:
        raise ValueError(f"{path} does not define get_config(), which returns the configuration")
    config = get_config()
    if Path(path) != DEFAULT:
        keys, expected = set(dict(leaves(config))), set(dict(leaves(load(DEFAULT))))
        if keys != expected:
            raise ValueError(
                f"the keys of {path} must be those of {DEFAULT.name}: "
                f"{sorted(expected - keys)} are missing, {sorted(keys - expected)} are unknown"
            )
    return config


def check(config: ConfigDict) -> None:
    """Refuse a configuration that cannot work, before any data is read or code compiled.

    Raises:
      ValueError: names the key, its value and what it can be.
    """
    values = dict(leaves(config))
    for key, choices in _CHOICES.items():
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
    if values["penalty.magnitude"] and not plain_ratio:
        raise ValueError(
            f"penalty.magnitude={values['penalty.magnitude']} is a term of l1_over_l2 without "
            "groups: set it to 0, and use penalty.l2 with other penalties"
        )
    if values["prune.steps"] > values["penalty.steps"]:
        raise ValueError(
            f"prune.steps={values['prune.steps']} are those of the penalty phase in which weights "
            f"are pruned, at most penalty.steps={values['penalty.steps']}"
        )
    _check_model(values)
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
    if values["data.name"] == "sonnets" and (values["data.shift"] or values["data.flip"]):
        raise ValueError("data.shift and data.flip move images: set them to 0 and False for text")
    if values["data.name"] in STREAMED and values["loop"] == "device":
        raise ValueError(f"loop='device': {values['data.name']} is streamed, set it to 'auto'")
    if (name == "transformer") != (values["data.name"] == "sonnets"):
        raise ValueError(
            f"model={name!r} does not go with data.name={values['data.name']!r}: the transformer "
            "reads text, the others images"
        )


def _check_layers(values: dict[str, object]) -> None:
    """Refuse lists with a number for each layer that cannot be right for any network."""
    name, widths, levels = values["model"], values["prune.widths"], values["quantize.by_layer"]
    if any(not isinstance(m, int) or m < 1 for m in levels):
        raise ValueError(
            f"quantize.by_layer={levels}: a number of magnitudes, at least 1, for each layer, or ()"
        )
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


def typed(config: ConfigDict, key: str, text: str) -> object:
    """The value that a text stands for, of the type that the key has in the configuration.

    Raises:
      ValueError: if there is no such key, or the text is no value of this type.
    """
    values = dict(leaves(config))
    if key not in values:
        raise ValueError(f"the configuration has no key {key!r}: it has {', '.join(values)}")
    kind = type(values[key])
    try:
        value = ast.literal_eval(text) if kind in (bool, tuple) else kind(text)
    except (ValueError, SyntaxError):
        value = None
    if not isinstance(value, kind):
        raise ValueError(f"{key}={text}: the value must be of type {kind.__name__}")
    return value


def leaves(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The values of a configuration by dotted key."""
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _describe(config: ConfigDict) -> str:
    lines = ["The keys, with their values and types:"]
    for key, value in leaves(config):
        choices = f", one of {', '.join(_CHOICES[key])}" if key in _CHOICES else ""
        lines.append(f"  --config.{key}={value}  ({type(value).__name__}{choices})")
    return "\n".join(lines)


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
