"""Event files of TensorBoard."""

import struct

from tensorboardX.proto.event_pb2 import Event


def scalars(folder):
    """All (tag, step, value) of the one event file: records of length, checksum, data, checksum."""
    (file,) = folder.glob("events.out.tfevents.*")
    data, found = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
        data = data[16 + length :]
    return found
