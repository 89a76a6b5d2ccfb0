"""Checkpoints of other programs, array by array, and back; no pickle.

| path           | what                                                       | read | written |
|----------------|------------------------------------------------------------|------|---------|
| `.safetensors` | names as they are, such as `layer.0.weight`                | yes  | yes     |
| `.npz`         | the same                                                   | yes  | yes     |
| `.msgpack`     | nested dicts, from `flax.serialization.to_bytes`           | yes  | no      |
| a folder       | nested dicts and lists, from Orbax                         | yes  | no      |
"""

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry
from jaxcomp.checkpoints.reading import channel_axis, open_checkpoint, read_checkpoint
from jaxcomp.checkpoints.writing import check_writable, write_checkpoint

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Entry",
    "channel_axis",
    "check_writable",
    "open_checkpoint",
    "read_checkpoint",
    "write_checkpoint",
]
