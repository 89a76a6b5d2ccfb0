"""Reads Orbax checkpoints: a folder with the tree in `_METADATA` and the arrays in a database."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry, leaves
from jaxcomp.checkpoints.library import library
from jaxcomp.codec.names import EMPTY, Names, join
from jaxcomp.late_reads import ignore_late_reads

_TREE = "_METADATA"
_STEP = re.compile(r"(?P<prefix>(?:[^.]*_)?)(?P<step>\d+)")  # a step's name in Orbax
_OF_FLAX = "checkpoint_"


@contextmanager
def open_orbax(path: Path) -> Iterator[Checkpoint]:
    """Yield the arrays of a tree, in tree order; each is read when it is loaded.

    Args:
      path: the folder of a tree, of a step that holds one tree, or of all steps of a
        `CheckpointManager`, whose last step is read.
    """
    ocp = library("orbax.checkpoint", "compress")
    import jax

    folder = _tree_folder(path.resolve())
    _check_links(path.resolve(), folder)
    try:
        json.loads((folder / _TREE).read_bytes())
    except ValueError as error:
        raise CheckpointError(f"its {_TREE} is damaged: {error}") from error
    ignore_late_reads()
    # A `Checkpointer` would log damage instead of raising an error.
    with closing(ocp.PyTreeCheckpointHandler()) as reader:
        tree = reader.metadata(folder).tree
        found, structure = jax.tree.flatten_with_path(tree)
        places = [tuple(map(_key, key)) for key, _ in found]
        hollow = [names for names, leaf in leaves(tree) if leaf is EMPTY or leaf is None]
        names_of = _without_wrappers(places, hollow)
        entries = tuple(
            _entry(names_of[place], leaf)
            for place, (_, leaf) in zip(places, found, strict=True)
            if not _is_text(leaf)
        )
        remarks = tuple(
            f"{join(names_of[place])} is text, and left out"
            for place, (_, leaf) in zip(places, found, strict=True)
            if _is_text(leaf)
        )
        index = {names_of[place]: i for i, place in enumerate(places)}
        # By default, arrays go to the devices from which they were saved.
        each = [ocp.RestoreArgs(restore_type=np.ndarray)] * len(found)
        as_numpy = jax.tree.unflatten(structure, each)

        def load(wanted: Entry) -> np.ndarray:
            only: list[Any] = [ocp.PLACEHOLDER] * len(found)
            only[index[wanted.names]] = 0
            arguments = ocp.args.PyTreeRestore(jax.tree.unflatten(structure, only), as_numpy)
            restored = reader.restore(folder, args=arguments)
            return np.asarray(jax.tree.leaves(restored)[index[wanted.names]])

        empty = tuple(names_of[place] for place in hollow)
        yield Checkpoint(entries, load, empty, remarks=remarks)


def _tree_folder(path: Path) -> Path:
    if (path / _TREE).exists():
        return path
    folders = [folder for folder in path.iterdir() if folder.is_dir()]
    trees = [folder for folder in folders if (folder / _TREE).exists()]
    if len(trees) == 1:
        return trees[0]
    if trees and not all(_step(folder, ("", _OF_FLAX)) for folder in trees):
        names = ", ".join(sorted(folder.name for folder in trees))
        raise CheckpointError(f"it holds several trees: give the folder of one of {names}")
    steps = [(folder, step) for folder in folders if (step := _step(folder, ("",)))]
    steps = steps or [(folder, step) for folder in folders if (step := _step(folder))]
    if not steps:
        raise CheckpointError(
            f"not an Orbax checkpoint: there is no {_TREE} in the folder, nor in one of a step"
        )
    prefixes = sorted({step["prefix"] for _, step in steps})
    if len(prefixes) > 1:
        raise CheckpointError(
            f"it holds steps of several names, {', '.join(map(repr, prefixes))}: give the folder "
            "of one step"
        )
    last, _ = max(steps, key=lambda one: int(one[1]["step"]))
    return _tree_folder(last)


def _step(folder: Path, prefixes: tuple[str, ...] | None = None) -> re.Match[str] | None:
    """Return the parts of the name of a step's folder, or None if it has none of the prefixes."""
    match = _STEP.fullmatch(folder.name)
    return match if match and (prefixes is None or match["prefix"] in prefixes) else None


def _without_wrappers(places: list[Names], hollow: list[Names]) -> dict[Names, Names]:
    """Return the names of arrays and of empty dicts as they were in the state of a Flax NNX module.

    Orbax writes each variable as a dict with its `value`, and indices of lists as text. A name at
    the top was such a state if all arrays below it have that name.
    """
    children = Counter(place[:-1] for place in (*places, *hollow))
    wrapped = {
        place: len(place) > 1 and place[-1] == "value" and children[place[:-1]] == 1
        for place in places
    }
    states = {place[0] for place in places if wrapped[place]}
    states -= {place[0] for place in places if not wrapped[place]}
    names = {place: place for place in (*places, *hollow)}
    for place in names:
        if place[0] in states:
            names[place] = tuple(map(_integer, place[:-1] if place in wrapped else place))
    return names


def _integer(name: str | int) -> str | int:
    return int(name) if isinstance(name, str) and name.isdecimal() and name.isascii() else name


def _check_links(whole: Path, folder: Path) -> None:
    """Refuse to read files outside of the checkpoint, which a hostile checkpoint may ask for."""
    below = (Path(parent, name) for parent, *names in os.walk(folder) for name in chain(*names))
    for path in chain([folder], below):
        if path.is_symlink() and not path.resolve().is_relative_to(whole):
            raise CheckpointError(
                f"{path.relative_to(whole)} is a link out of the folder: if you trust it, copy the "
                "folder with what its links point to (cp -rL)"
            )


def _key(key: Any) -> str | int:
    for attribute in ("key", "idx", "name"):  # of a dict, a list or a named tuple
        if hasattr(key, attribute):
            return getattr(key, attribute)
    raise CheckpointError(f"{key} is no key of a dict or a list")


def _entry(names: Names, leaf: Any) -> Entry:
    if not hasattr(leaf, "dtype"):
        kind = type(leaf).__name__.removesuffix("Metadata").lower()
        raise CheckpointError(f"{'/'.join(map(str, names))!r} is a {kind}, not an array")
    return entry(names, getattr(leaf, "shape", ()), leaf.dtype)


def _is_text(leaf: Any) -> bool:
    return type(leaf).__name__ == "StringMetadata"
