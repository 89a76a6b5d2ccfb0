"""Checkpoints of other programs, array by array, and back; nothing is executed.

| path           | what                                                       | read | written |
|----------------|------------------------------------------------------------|------|---------|
| `.safetensors` | names as they are, such as `layer.0.weight`, and metadata  | yes  | yes     |
| `.npz`         | names as they are                                          | yes  | yes     |
| `.msgpack`     | nested dicts, from `flax.serialization.to_bytes`           | yes  | no      |
| `.onnx`        | names of the initializers of a graph                       | yes  | no      |
| `.h5`          | nested groups, from Keras: `.weights.h5` too               | yes  | no      |
| `.pt`, `.bin`  | dicts of tensors, by PyTorch, where it is installed; `.pth` | yes  | no      |
| `checkpoint_5` | the same, from `flax.training.checkpoints`; or its folder  | yes  | no      |
| a folder       | shards: `.safetensors` files with a `.index.json` of names | yes  | yes     |
| a folder       | nested dicts and lists, from Orbax                         | yes  | no      |

Dicts without entries stay where they are. Text, and what is no array of a zip archive, is left out:
`Checkpoint.remarks` says so.
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
