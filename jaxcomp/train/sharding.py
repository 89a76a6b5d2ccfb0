"""Training on many devices: which axes of which arrays are spread over a mesh.

All else is JAX's: a compiled step computes with the shards it is given, and what is global in it
(losses, penalties, the largest of all weights) is summed over them.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcomp.arguments import check_number
from jaxcomp.trees import named_leaves, path_name

PyTree = Any
# A regular expression for names of leaves, and for each of their axes one of the mesh, or None.
Rule = tuple[str, tuple[str | None, ...]]

# Batches are spread over the first two, parameters over the last two.
AXES = ("data", "fsdp", "model")


def make_mesh(data: int = -1, fsdp: int = 1, model: int = 1) -> Mesh:
    """All devices of all processes as a mesh with the axes `AXES`.

    Args:
      data: number of devices along an axis; -1, in one place at most, for all that are left.
      fsdp: the same.
      model: the same.

    Raises:
      ValueError: if the numbers do not make up the devices that are there.
    """
    sizes = {"data": data, "fsdp": fsdp, "model": model}
    for name, size in sizes.items():
        wanted = "a number of devices, at least 1, or -1"
        check_number(name, size, wanted, lambda n: n >= 1 or n == -1, integer=True)
    devices = jax.device_count()
    left = [name for name, size in sizes.items() if size == -1]
    given = math.prod(size for size in sizes.values() if size != -1)
    if len(left) == 1 and given > 0 and devices % given == 0:
        sizes[left[0]] = devices // given
    if min(sizes.values()) < 1 or math.prod(sizes.values()) != devices:
        asked = " x ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(
            f"a mesh of {asked} does not make up the {devices} devices that are there: give sizes "
            "whose product is that, or -1 for one of them"
        )
    return jax.make_mesh(tuple(sizes.values()), AXES, axis_types=(AxisType.Auto,) * len(AXES))


def shardings_of(tree: PyTree, mesh: Mesh, rules: Sequence[Rule]) -> PyTree:
    """How each array of a tree is spread, such as parameters, or a `TrainState` with them.

    The first rule whose expression is found in the name of a leaf (`Dense_0/kernel`; in the state
    of an optimizer what stands before it does not matter) says along which axes. Leaves with
    another number of axes than the rule, such as counters and factored moments, and those without a
    rule are whole on each device.

    Args:
      tree: of arrays or of `jax.ShapeDtypeStruct`.
      mesh: see `make_mesh`.
      rules: for example `[("kernel$", (None, "model"))]`.

    Raises:
      ValueError: if a rule names an axis that the mesh has not, fits no leaf, or an axis of a leaf
        is not divided by the devices along it.
    """
    for pattern, axes in rules:
        unknown = [axis for axis in axes if axis is not None and axis not in mesh.shape]
        if unknown:
            raise ValueError(
                f"the rule {pattern!r} names the axes {unknown}: the mesh has {list(mesh.shape)}"
            )
    used: set[str] = set()

    def of_leaf(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        name = path_name(path)
        for pattern, axes in rules:
            if not re.search(pattern, name):
                continue
            if len(axes) != leaf.ndim:
                break
            used.add(pattern)
            for number, (axis, size) in enumerate(zip(axes, leaf.shape, strict=True)):
                if axis is not None and size % mesh.shape[axis]:
                    raise ValueError(
                        f"axis {number} of {name!r}, of size {size}, cannot be spread over the "
                        f"{mesh.shape[axis]} devices of {axis!r}: change the rule {pattern!r} or "
                        "the mesh"
                    )
            return NamedSharding(mesh, PartitionSpec(*axes))
        return NamedSharding(mesh, PartitionSpec())

    shardings = jax.tree_util.tree_map_with_path(of_leaf, tree)
    for pattern, axes in rules:
        if pattern not in used:
            raise ValueError(
                f"the rule {pattern!r} fits no leaf with {len(axes)} axes: there are "
                f"{', '.join(named_leaves(tree))}"
            )
    return shardings


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """That of batches: examples are spread over the axes `data` and `fsdp`."""
    return NamedSharding(mesh, PartitionSpec(("data", "fsdp")))


def place_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """A batch on the devices of a mesh.

    Args:
      batch: arrays with the examples on the first axis. Where there are several processes
        (`jax.distributed`), each gives its own part, and all parts are of one size.
      mesh: see `make_mesh`.
    """
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda part: jax.make_array_from_process_local_data(sharding, part), batch)
