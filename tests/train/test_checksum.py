"""A checksum sees every bit of every array, wherever the arrays are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.train.checksum import checksum
from tests.helpers import sharded

TYPES = ["float32", "bfloat16", "float16", "int32", "uint32", "int8", "complex64"]


def tree(dtype):
    w = np.arange(1, 41).reshape(8, 5)
    return {"a": np.asarray(jnp.asarray(w, dtype)), "b": np.asarray(jnp.asarray(w[0], dtype))}


@pytest.mark.parametrize("dtype", TYPES)
def test_each_bit_counts(dtype):
    params = tree(dtype)
    before, size = checksum(params), params["a"].nbytes
    for byte in range(0, size, 7):
        content = bytearray(params["a"].tobytes())
        content[byte] ^= 1 << (byte % 8)
        changed = np.frombuffer(bytes(content), params["a"].dtype).reshape(8, 5)
        assert checksum({**params, "a": changed}) != before


def test_changes_of_several_words_do_not_cancel():
    w = np.arange(1, 41, dtype=np.float32)
    for one in range(1, 40, 5):
        for other in range(one):
            changed = w.copy()
            changed[[one, other]] *= -1  # the highest bit alone
            assert checksum(changed) != checksum(w)
    assert len({checksum(np.zeros(n, np.float32)) for n in range(1, 9)}) == 8


@given(st.permutations(range(6)))
def test_the_order_counts(order):
    w = np.array([0.0, 1.0, -1.0, 2.0, 1e-45, np.nan], np.float32)
    assert (checksum(w[order]) == checksum(w)) == (list(order) == list(range(6)))


def test_it_is_known_what_is_summed():
    def mixed(place, word):
        word ^= place * 0x9E3779B9 % 2**32
        word = (word ^ word >> 16) * 0x85EBCA6B % 2**32
        word = (word ^ word >> 13) * 0xC2B2AE35 % 2**32
        return word ^ word >> 16

    a, b = np.array([[3, 5], [7, 11]], np.uint32), np.array([2**32 - 1], np.uint32)
    first = sum(map(mixed, range(4), (3, 5, 7, 11)))
    assert checksum([a, b]) == (first * 1_000_003 + mixed(0, 2**32 - 1)) % 2**32


def test_booleans_keys_and_64_bits_count(x64):
    for one, other in (
        (np.array([True, False]), np.array([False, True])),
        (jax.random.key(0), jax.random.key(1)),
        (np.array([1.0, 2.0]), np.array([1.0, np.nextafter(2.0, 3.0)])),
        (np.array([1, 2**40]), np.array([1, 2**41])),
    ):
        assert checksum(one) == checksum(jax.tree.map(jnp.copy, one)) != checksum(other)


@pytest.mark.parametrize("kind", list(jax.sharding.AxisType)[:2])
def test_sharded_arrays_have_the_same(kind):
    w = jax.random.normal(jax.random.key(0), (16, 5))
    assert checksum(sharded(w, kind=kind)) == checksum(w)
