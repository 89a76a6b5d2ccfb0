"""The parts of names of arrays, in trees and in files; without jax, which readers do not need."""

import re


def parent_and_last(name: str) -> tuple[str, str]:
    """Return the name of the dict that a leaf is in, and the last part of its own.

    Parts are divided by `/` or `.`.
    """
    *parent, last = re.split(r"[/.](?=[^/.]*$)", name)
    return "".join(parent), last
