"""Data sets that are prepared in another form, in part, or damaged: one line with the remedy."""

import json
import re

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxcomp.data import imagenet, prepared
from jaxcomp.data.prepared import Prepared
from tests.data.fabricated import SIZES, write_imagenet

SOURCE = Prepared("imagenet2012", "5.1.0", SIZES, (20, 40, 3))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Of a data set that is prepared, and that TFDS is told of."""
    write_imagenet(tmp_path)
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setenv("JAXCOMP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "imagenet2012" / "5.1.0"


def everything():
    """Read all examples one by one, and by the thousand."""
    for split in imagenet(seed=0, size=4):
        for batch in split.batches(16):
            assert np.isfinite(batch.inputs).all()
    for rows in prepared.rows_of(SOURCE.name, SOURCE.version, tuple(SIZES), makeable=True):
        rows.__getitems__(range(len(rows)))


def says(folder, what):
    """One line that names the data set, its folder, what is wrong, and what can be done."""
    return rf"^imagenet2012 5\.1\.0 [^\n]*{folder}[^\n]*{what}[^\n]*TFDS_DATA_DIR[^\n]*$"


def test_what_is_whole_can_be_read(folder):
    everything()


@pytest.mark.parametrize("form", ["tfrecord", "riegeli"])
def test_another_format_is_named_with_the_remedy(folder, form):
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps({**info, "fileFormat": form}))
    with pytest.raises(FileNotFoundError, match=says(folder, "Delete that folder")) as error:
        imagenet()
    assert f"is prepared as {form} in" in str(error.value)
    assert "tfds.data_source('imagenet2012:5.1.0')" in str(error.value)


def cut(content):
    return content[: len(content) // 2]


def zeros_in_the_middle(content):
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


@pytest.mark.parametrize("damage", [cut, zeros_in_the_middle, lambda content: b""])
@pytest.mark.parametrize("name", ["*train.array_record*", "dataset_info.json", "features.json"])
def test_damaged_files_are_named_with_the_remedy(folder, name, damage):
    (path,) = folder.glob(name)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OSError, match="is damaged") as error:
        everything()
    assert re.search(says(folder, ""), str(error.value)), error.value  # without notes of grain


def test_a_file_that_is_not_there_is_named(folder):
    (path,) = folder.glob("*train.array_record*")
    path.unlink()
    with pytest.raises(OSError, match="is damaged") as error:
        everything()
    assert re.search(says(folder, ""), str(error.value)), error.value  # without notes of grain


def test_a_data_set_that_is_there_in_part_is_not_taken_for_the_whole(folder):
    with pytest.raises(OSError, match="has 40 examples in 'train' instead of 50"):
        prepared.load(SOURCE._replace(sizes={**SIZES, "train": 50}), 5, 0)
