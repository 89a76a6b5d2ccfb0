"""Initializers of `.onnx` files."""

import sys

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from jaxcomp.checkpoints import CheckpointError, open_checkpoint, read_checkpoint
from tests.checkpoints.claims import assert_same, refused


def save(path, tensors, **options):
    graph = helper.make_graph([], "network", [], [], initializer=tensors)
    onnx.save(helper.make_model(graph), path, **options)


def tensors_of(arrays):
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


@pytest.mark.parametrize("beside", [False, True])
def test_initializers_are_arrays(tmp_path, arrays, beside):
    arrays["codes"] = np.arange(-4, 4, dtype=np.int8)
    options = {"save_as_external_data": True, "size_threshold": 0} if beside else {}
    save(tmp_path / "m.onnx", tensors_of(arrays), **options)
    assert len(list(tmp_path.iterdir())) == 1 + beside
    assert_same(arrays, read_checkpoint(tmp_path / "m.onnx"))
    with open_checkpoint(tmp_path / "m.onnx") as checkpoint:
        assert [entry.name for entry in checkpoint.entries] == [*arrays]


def test_text_is_left_out_and_said(tmp_path):
    text = helper.make_tensor("label", TensorProto.STRING, [1], [b"cat"])
    save(tmp_path / "m.onnx", [text, *tensors_of({"w": np.ones(2)})])
    with open_checkpoint(tmp_path / "m.onnx") as checkpoint:
        assert [entry.name for entry in checkpoint.entries] == ["w"]
        assert checkpoint.remarks == ("'label' is text, and left out",)


def test_types_that_no_file_holds_are_named(tmp_path):
    save(tmp_path / "m.onnx", tensors_of({"w": np.ones(2, np.complex64)}))
    refused(tmp_path / "m.onnx", "'w': .*complex64")


def test_types_of_a_few_bits_are_read(tmp_path):
    expected = np.arange(-8, 7).astype(ml_dtypes.int4)
    save(tmp_path / "m.onnx", tensors_of({"w": expected}))
    found = read_checkpoint(tmp_path / "m.onnx")["w"]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.astype(int), expected.astype(int))


def test_data_elsewhere_are_not_read(tmp_path):
    """A file from elsewhere could name any file of the machine."""
    (tmp_path / "secret").write_bytes(bytes(8))
    folder = tmp_path / "model"
    folder.mkdir()
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    (folder / "m.onnx").write_bytes(
        helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString()
    )
    with pytest.raises((CheckpointError, OSError)):
        read_checkpoint(folder / "m.onnx")


def test_without_the_library_there_is_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(ImportError, match=r'pip install "jaxcomp\[onnx\]"'):
        read_checkpoint(tmp_path / "m.onnx")
