"""The keys of a configuration, and their values."""

import ast
from collections.abc import Iterator

from ml_collections import ConfigDict


def leaves(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the values of a configuration by dotted key."""
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def typed(config: ConfigDict, key: str, text: str) -> object:
    """Return the value that a text stands for, of the type that the key has in the configuration.

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
