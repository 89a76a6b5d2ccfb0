"""Stores text about a whole checkpoint, such as the `format` of a `.safetensors` file.

The text `t` of the key `k` is a dict without entries whose names are `("__metadata__", k, t)`.
"""

from collections.abc import Iterator, Mapping
from typing import TypeGuard

from jaxcomp.codec.names import Names

METADATA = "__metadata__"


def names_of(metadata: Mapping[str, str]) -> Iterator[Names]:
    """Yield the names of the dicts without entries that stand for each key and its text."""
    for key, text in metadata.items():
        yield METADATA, key, text


def is_metadata(names: Names) -> TypeGuard[tuple[str, str, str]]:
    """Tell whether the names of a dict without entries are a key and its text."""
    return len(names) == 3 and names[0] == METADATA and all(isinstance(n, str) for n in names)
