"""What numbers were made with: code, versions and device."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax

_PACKAGES = ("jaxcomp", "jax", "jaxlib", "flax", "optax", "numpy", "constriction")


def environment() -> dict[str, Any]:
    """Commit, versions and device, for a report or a record."""
    device = jax.devices()[0]
    return {
        "commit": commit(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "device": f"{device.platform}: {device.device_kind}",
    }


def commit(checkout: Path = Path(__file__).parents[1]) -> str | None:
    """The commit of a checkout, by default the one that this code is of.

    Returns:
      Its hash, with `+` behind it if files were changed since; None for a folder that is not the
      top of a checkout, or without git.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != checkout.resolve():
            return None
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
