"""How a command says that a file cannot be used."""

import sys


def fail(path: str, error: Exception) -> int:
    """Print one line about `path` and give the exit status 1."""
    print(f"jaxcomp: {path}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
    return 1
