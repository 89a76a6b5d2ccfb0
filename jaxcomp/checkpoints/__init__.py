"""Reads checkpoints of other programs, array by array, and writes some; nothing is executed.

These are read and written:

* `.safetensors`: names as they are, such as `layer.0.weight`, and metadata;
* `.npz`: names as they are;
* a folder of shards: `.safetensors` files with a `.index.json` of names.

These are only read:

* `.msgpack`: nested dicts, from `flax.serialization.to_bytes`;
* `checkpoint_5`, or its folder: the same, from `flax.training.checkpoints`;
* a folder from Orbax: nested dicts and lists;
* `.onnx`: names of the initializers of a graph;
* `.h5`: nested groups, from Keras, `.weights.h5` too;
* `.pt`, `.pth`, `.bin`: dicts of tensors, by PyTorch, where it is installed.

Dicts without entries keep their place. Text is left out, and so is everything in a zip archive that
is not an array: `Checkpoint.remarks` says so.
"""

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry
from jaxcomp.checkpoints.reading import open_checkpoint, read_checkpoint
from jaxcomp.checkpoints.selection import check_any, of_network, part_of
from jaxcomp.checkpoints.units import UnitAxis, describe_axes, unit_axis
from jaxcomp.checkpoints.writing import check_writable, write_checkpoint

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Entry",
    "UnitAxis",
    "check_any",
    "check_writable",
    "describe_axes",
    "of_network",
    "open_checkpoint",
    "part_of",
    "read_checkpoint",
    "unit_axis",
    "write_checkpoint",
]
