"""Orbax checkpoints: a folder with the tree in `_METADATA` and the arrays in a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry
from jaxcomp.codec.names import Names

_TREE = "_METADATA"


@contextmanager
def open_orbax(path: Path) -> Iterator[Checkpoint]:
    """The arrays of a tree, in tree order; each is read when it is loaded.

    Args:
      path: the folder of a tree, of a step that holds one tree, or of all steps of a
        `CheckpointManager`, of which the last is taken.
    """
    try:
        import orbax.checkpoint as ocp
    except ImportError as error:
        raise ImportError('this needs orbax-checkpoint: pip install "jaxcomp[compress]"') from error
    import jax

    folder = _tree_folder(path.resolve())
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
        found, structure = jax.tree.flatten_with_path(reader.metadata(folder).item_metadata.tree)
        entries = tuple(_entry(tuple(map(_key, key)), leaf) for key, leaf in found)
        index = {one.names: i for i, one in enumerate(entries)}
        # Without this, arrays go to the devices they were saved from.
        as_numpy = structure.unflatten([ocp.RestoreArgs(restore_type=np.ndarray)] * len(entries))

        def load(wanted: Entry) -> np.ndarray:
            only: list[Any] = [ocp.PLACEHOLDER] * len(entries)
            only[index[wanted.names]] = 0
            arguments = ocp.args.PyTreeRestore(structure.unflatten(only), as_numpy)
            restored = reader.restore(folder, args=arguments)
            return np.asarray(jax.tree.leaves(restored)[index[wanted.names]])

        yield Checkpoint(entries, load)


def _tree_folder(path: Path) -> Path:
    if (path / _TREE).exists():
        return path
    folders = [folder for folder in path.iterdir() if folder.is_dir()]
    trees = [folder for folder in folders if (folder / _TREE).exists()]
    if len(trees) > 1:
        names = ", ".join(sorted(folder.name for folder in trees))
        raise CheckpointError(f"it holds several trees: give the folder of one of {names}")
    if trees:
        return trees[0]
    steps = [folder for folder in folders if folder.name.isdecimal()]
    if not steps:
        raise CheckpointError(
            f"not an Orbax checkpoint: there is no {_TREE} in the folder, nor in one of a step"
        )
    return _tree_folder(max(steps, key=lambda folder: int(folder.name)))


def _key(key: Any) -> str | int:
    for attribute in ("key", "idx", "name"):  # of a dict, a list, a named tuple
        if hasattr(key, attribute):
            return getattr(key, attribute)
    raise CheckpointError(f"{key} is no key of a dict or a list")


def _entry(names: Names, leaf: Any) -> Entry:
    if not hasattr(leaf, "dtype"):
        kind = type(leaf).__name__.removesuffix("Metadata").lower()
        raise CheckpointError(f"{'/'.join(map(str, names))!r} is a {kind}, not an array")
    return entry(names, getattr(leaf, "shape", ()), leaf.dtype)
