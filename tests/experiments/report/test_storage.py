"""The other forms that a file is compared with."""

import numpy as np
import pytest
import zstandard

from experiments.report.storage import reference_bytes


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    kernel = rng.choice(np.array([-0.3, 0, 0.3], np.float32), (100, 50), p=[0.05, 0.9, 0.05])
    return {"kernel": kernel, "bias": rng.normal(size=50).astype(np.float32)}


def test_float32_counts_every_parameter(params):
    assert reference_bytes(params)["float32"] == 4 * (5000 + 50)


def test_zstd_is_applied_to_the_bytes_as_they_are(params):
    joined = params["bias"].tobytes() + params["kernel"].tobytes()  # in the order of the names
    expected = len(zstandard.ZstdCompressor(level=19).compress(joined))
    assert reference_bytes(params)["float32_zstd19"] == expected


def test_int8_is_the_smaller_one_and_no_smaller_than_the_entropy(params):
    sizes = reference_bytes(params)
    entropy = 5000 * (0.9 * np.log2(1 / 0.9) + 0.1 * np.log2(1 / 0.05)) / 8
    assert entropy < sizes["int8_zstd19"] < sizes["float32_zstd19"]


def test_an_all_zero_tensor_has_a_size():
    assert reference_bytes({"kernel": np.zeros((4, 4), np.float32)})["int8_zstd19"] > 0
