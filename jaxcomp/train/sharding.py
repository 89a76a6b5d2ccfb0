"""Trains on many devices: says which axes of which arrays are spread over a mesh.

JAX does everything else: a compiled step computes with the shards that it is given, and sums over
them for global results (losses, penalties, the largest of all weights).
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
# A rule is a regular expression for names of leaves, and for each axis one of the mesh, or None.
Rule = tuple[str, tuple[str | None, ...]]

# Batches are spread over the first two axes, parameters over the last two.
AXES = ("data", "fsdp", "model")


def make_mesh(data: int = -1, fsdp: int = 1, model: int = 1) -> Mesh:
    """Return all devices of all processes as a mesh with the axes `AXES`.

    Args:
      data, fsdp, model: number of devices along each axis. At most one of them may be -1, for all
        remaining devices.

    Raises:
      ValueError: if the product of the numbers is not the number of devices.

    Example:
      >>> import jax
      >>> from jaxcomp.train import make_mesh
      >>> mesh = make_mesh()  # all devices along the axis of the data
      >>> mesh.axis_names, mesh.shape["data"] == jax.device_count(), mesh.shape["model"]
      (('data', 'fsdp', 'model'), True, 1)
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
    """Say how each array of a tree is spread, such as parameters, or a `TrainState` with them.

    The first rule whose expression is found in the name of a leaf (`Dense_0/kernel`) says along
    which axes; the beginning of a name in the state of an optimizer does not matter. A leaf without
    a rule, or with another number of axes than its rule, such as a counter or a factored moment, is
    whole on each device.

    Args:
      tree: tree of arrays or of `jax.ShapeDtypeStruct`.
      mesh: see `make_mesh`.
      rules: pairs of an expression and, for each axis of the leaf, an axis of the mesh or None.

    Raises:
      ValueError: if a rule names an axis that the mesh lacks, or fits no leaf, or if the devices
        along an axis do not divide the axis of a leaf.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.train import make_mesh, shardings_of
      >>> params = {"kernel": jnp.ones((3, 8)), "bias": jnp.ones(8)}
      >>> shardings = shardings_of(params, make_mesh(), [("kernel$", (None, "model"))])
      >>> tuple(shardings["kernel"].spec), tuple(shardings["bias"].spec)
      ((None, 'model'), ())
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
    """Return the sharding of batches: examples are spread over the axes `data` and `fsdp`.

    Example:
      >>> from jaxcomp.train import batch_sharding, make_mesh
      >>> tuple(batch_sharding(make_mesh()).spec)  # of the first axis
      (('data', 'fsdp'),)
    """
    return NamedSharding(mesh, PartitionSpec(("data", "fsdp")))


def place_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """Return a batch on the devices of a mesh.

    Args:
      batch: arrays with the examples on the first axis. If there are several processes
        (`jax.distributed`), each gives its own part, and all parts are of one size.
      mesh: see `make_mesh`.

    Example:
      >>> import jax, numpy as np
      >>> from jaxcomp.train import make_mesh, place_batch
      >>> batch = place_batch(np.zeros((jax.device_count(), 3)), make_mesh())
      >>> len(batch.addressable_shards) == jax.device_count()
      True
    """
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda part: jax.make_array_from_process_local_data(sharding, part), batch)
