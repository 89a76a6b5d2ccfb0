"""The devices of a run, and where its arrays are."""

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.settings.settings import MeshSettings
from jaxcomp.train import batch_sharding, make_mesh, place_batch, shardings_of
from jaxcomp.train.step import TrainState


def mesh_of(settings: MeshSettings, batch_size: int) -> Mesh | None:
    """Return the mesh, or None for a single device.

    Args:
      settings: of the run.
      batch_size: that is spread over it.

    Raises:
      ValueError: if there are not as many devices, or the batch cannot be spread over them.
    """
    sizes = settings.data, settings.fsdp, settings.model
    if sizes == (1, 1, 1) and jax.process_count() == 1:
        return None
    mesh = make_mesh(*sizes)
    parts = mesh.shape["data"] * mesh.shape["fsdp"]
    if batch_size % parts:
        raise ValueError(
            f"batch_size={batch_size} cannot be spread over the {parts} devices of mesh.data and "
            "mesh.fsdp: give a multiple"
        )
    return mesh


class RulesError(ValueError):
    """The rules of the configuration do not fit the parameters, or the mesh."""


class Placement:
    """Puts states and batches of a training on one device, or spreads them over a mesh."""

    def __init__(self, settings: MeshSettings, batch_size: int, *, by_rules: bool):
        """Take the mesh; with `by_rules`, parameters are spread by the rules of the settings."""
        self._mesh = mesh_of(settings, batch_size)
        self._rules = settings.rules if by_rules else ()

    def state(self, state: TrainState) -> TrainState:
        """A state in its place.

        Raises:
          RulesError: if a rule does not fit.
        """
        if self._mesh is None:
            return state
        try:
            shardings = shardings_of(state, self._mesh, self._rules)
        except ValueError as error:
            raise RulesError(f"mesh.rules: {error}") from error
        return jax.device_put(state, shardings)

    def batch(self, batch: tuple) -> tuple:
        """A batch, of which this process has its part, in its place."""
        return batch if self._mesh is None else place_batch(batch, self._mesh)

    def part_of_batches(self) -> tuple[int, int]:
        """Which part of each batch this process has to have, and of how many."""
        if self._mesh is None:
            return 0, 1
        spread = self._mesh.shape["data"] * self._mesh.shape["fsdp"]
        slices = batch_sharding(self._mesh).addressable_devices_indices_map((spread,)).values()
        mine = {rows.indices(spread)[0] for (rows,) in slices}
        return min(mine) // len(mine), spread // len(mine)

    def examples(self, examples: tuple) -> tuple:
        """All examples on each device."""
        if self._mesh is None:
            return jax.device_put(examples)
        return jax.device_put(examples, NamedSharding(self._mesh, PartitionSpec()))

    def order(self, order: jax.Array) -> jax.Array:
        """Which examples are in each batch, [steps, batch size], spread like batches."""
        if self._mesh is None:
            return order
        spec = PartitionSpec(None, *batch_sharding(self._mesh).spec)
        return jax.device_put(order, NamedSharding(self._mesh, spec))
