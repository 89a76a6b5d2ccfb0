"""What tests of checkpoints claim, and arrays as they are written."""

import tracemalloc

import pytest

from jaxcomp.checkpoints import CheckpointError, read_checkpoint


def named(arrays):
    return [((name,), array) for name, array in arrays.items()]


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert (array.dtype, array.shape) == (other[name].dtype, other[name].shape)
        assert array.tobytes() == other[name].tobytes()


def memory_of(function):
    """The most memory that is taken, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(path, message):
    with pytest.raises(CheckpointError, match=message) as error:
        read_checkpoint(path)
    assert "allow_pickle" not in str(error.value)
    assert "\n" not in str(error.value)
