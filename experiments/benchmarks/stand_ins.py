"""Modules that have every attribute, in place of large ones that are imported but not called."""

import sys
from collections.abc import Collection
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock


class StandIns(MetaPathFinder, Loader):
    """Gives them, under some names."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        if name.partition(".")[0] not in self._names:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See `Loader`."""
        return MagicMock(name=spec.name, __path__=[], __spec__=spec)

    def exec_module(self, module: ModuleType) -> None:
        """See `Loader`."""


def stand_in(names: Collection[str]) -> None:
    """Import stand-ins in place of modules of these names from now on."""
    sys.meta_path.insert(0, StandIns(names))
