"""What numbers were made with: code, versions and device."""

import importlib.metadata
import platform
from typing import Any

import jax

from experiments.report.commit import commit

_PACKAGES = ("jaxcomp", "jax", "jaxlib", "flax", "optax", "numpy", "constriction")


def environment() -> dict[str, Any]:
    """Commit, versions and device, for a report or a record."""
    device, count = jax.devices()[0], jax.device_count()
    return {
        "commit": commit(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "device": f"{device.platform}: {device.device_kind}" + (f" x {count}" if count > 1 else ""),
    }
