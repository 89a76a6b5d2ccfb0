"""A data set in the form in which TFDS prepares ImageNet, with a few images."""

import io
import json

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

SIZES = {"train": 40, "validation": 6}
CLASSES = 1_000


def image(index):
    """An image of its own shape, red by its index, green from left to right."""
    height, width = 20 + index % 7, 40 - index % 5
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = 5 * index
    pixels[..., 1] = np.linspace(0, 255, width)
    return pixels


def write_imagenet(folder):
    """Under `folder`, which then is a TFDS_DATA_DIR; labels are indices."""
    root = folder / "imagenet2012" / "5.1.0"
    root.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(num_classes=CLASSES),
            "file_name": tfds.features.Text(),
        }
    )
    features.save_config(root)
    splits = []
    for name, size in SIZES.items():
        path = root / f"imagenet2012-{name}.array_record-00000-of-00001"
        writer = ArrayRecordWriter(str(path), "group_size:1")
        records = [_example(index, name) for index in range(size)]
        for record in records:
            writer.write(record)
        writer.close()
        splits.append(
            {
                "name": name,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "numBytes": str(sum(map(len, records))),
                "shardLengths": [str(size)],
            }
        )
    info = {"name": "imagenet2012", "version": "5.1.0", "fileFormat": "array_record"}
    (root / "dataset_info.json").write_text(json.dumps({**info, "splits": splits}))


def _example(index, split):
    """The bytes of a `tf.train.Example`, a message of messages, written by hand."""
    encoded = io.BytesIO()
    Image.fromarray(image(index)).save(encoded, "jpeg", quality=95)
    features = {
        b"image": _field(1, _field(1, encoded.getvalue())),
        b"file_name": _field(1, _field(1, f"{split}-{index}.jpeg".encode())),
        b"label": _field(3, _field(1, _varint(index))),
    }
    entries = [_field(1, _field(1, name) + _field(2, value)) for name, value in features.items()]
    return _field(1, b"".join(entries))


def _field(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
