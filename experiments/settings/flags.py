"""The command line of an experiment: `--config=FILE.py --config.KEY=VALUE`, checked early."""

import re
import runpy
import sys
from pathlib import Path
from typing import NoReturn

from absl import flags
from ml_collections import ConfigDict

from experiments.settings.check import CHOICES, check
from experiments.settings.keys import leaves

DEFAULT = Path(__file__).parents[1] / "configs" / "digits_lenet300.py"


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
    """Return the configuration that a file defines, before overrides.

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


def _describe(config: ConfigDict) -> str:
    lines = ["The keys, with their values and types:"]
    for key, value in leaves(config):
        choices = f", one of {', '.join(CHOICES[key])}" if key in CHOICES else ""
        lines.append(f"  --config.{key}={value}  ({type(value).__name__}{choices})")
    return "\n".join(lines)


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
