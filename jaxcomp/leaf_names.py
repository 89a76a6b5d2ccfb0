"""Splits the names of arrays, in trees and in files. It needs no jax, as readers have none."""

import re


def parent_and_last(name: str) -> tuple[str, str]:
    """Return the name of the dict that a leaf is in, and the last part of the leaf's own name.

    Args:
      name: parts that are divided by `/` or `.`.

    Example:
      >>> parent_and_last("encoder/layer.0/kernel"), parent_and_last("bias")
      (('encoder/layer.0', 'kernel'), ('', 'bias'))
    """
    *parent, last = re.split(r"[/.](?=[^/.]*$)", name)
    return "".join(parent), last
