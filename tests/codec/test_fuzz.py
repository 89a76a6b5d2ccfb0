"""Random mutations: behind a checksum that is right again, the reader still names what is wrong."""

import functools
import operator
import tracemalloc

import hypothesis
import ml_dtypes
import numpy as np
import pytest

from jaxcomp.codec import FormatError, arrays, describe, load, read, save, stored
from jaxcomp.codec.arranged import Order
from jaxcomp.codec.coder import Decoder
from jaxcomp.codec.facts import Kind
from jaxcomp.codec.levels import FewValued, smallest_form
from jaxcomp.codec.records import known
from tests.codec.crafted import resealed
from tests.codec.invented import LIMITS, of_version_1, of_version_2, of_version_3

pytestmark = pytest.mark.slow

MUTATIONS = 100 * hypothesis.settings().max_examples  # 2,500 to 20,000
TRACED = 2_000  # of them: tracing memory takes several times as long
MAX_MEMORY = 64 * 2**20  # bytes


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three bytes after the version replaced, flipped in a bit, deleted or inserted."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place, byte = int(rng.integers(5, len(out) - 8)), int(rng.integers(256))
        match rng.integers(4):
            case 0:
                out[place] = byte
            case 1:
                out[place] ^= 1 << (byte % 8)
            case 2:
                del out[place]
            case 3:
                out.insert(place, byte)
    return bytes(out)


def few_valued():
    """Arrays of few values: of each kind of levels."""
    rng = np.random.default_rng(0)
    ternary = rng.choice(np.array([-1, 0, 1], np.float32), (20, 10), p=[0.1, 0.8, 0.1])
    bias = np.where(np.arange(5) % 2, rng.normal(size=5), 0).astype(np.float32)
    return {
        "layer": {"kernel": ternary, "bias": bias},
        "constant": np.ones((5, 5)),
        "codes": np.arange(300, dtype=np.int16) % 7,
        "table": rng.choice(np.array([-2.5, -0.1, 0.7, 9]), (4, 3, 2)),
    }


def many_valued():
    """Arrays of many values or levels: of the kinds that came with version 3."""
    rng = np.random.default_rng(0)
    symmetric = rng.normal(size=(25, 25)).astype(np.float32)
    return {
        "floats": rng.normal(size=(40, 30)).astype(ml_dtypes.bfloat16),
        "sorted": np.sort(rng.normal(size=300)).astype(np.float16),
        "repeated": np.tile(rng.normal(size=(15, 20)).astype(np.float32), (2, 1)),
        "symmetric": symmetric + symmetric.T,
        "dense": np.rint(20 * rng.normal(size=(20, 30))).astype(np.int8),
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory, request):
    """A file with several kinds of arrays."""
    path = tmp_path_factory.mktemp("fuzz") / "model.jxc"
    save(path, getattr(request, "param", few_valued)())
    return path.read_bytes()


class Counting(Decoder):
    """A decoder that knows how far it has counted less than it was asked for."""

    calls = entries = 0

    def symbols(self, weights, count, symbols):
        self._count(count)
        return super().symbols(weights, count, symbols)

    def bits(self, ones, bits):
        self._count(len(ones))
        return super().bits(ones, bits)

    def _count(self, entries):
        self.calls, self.entries = self.calls + 1, self.entries + entries
        # Much less than either takes; the first few calls of an array are counted with it.
        assert 10_000 * (self.calls - 10) + 40 * self.entries < self.budget.work_done


def test_the_arrays_of_many_values_use_what_came_with_version_3():
    found = {n: known(smallest_form(w)[0], {}).facts for n, w in many_valued().items()}
    assert found["floats"].kind == Kind.FLOATS
    orders = {n: facts.way.order for n, facts in found.items() if facts.kind == Kind.ARRANGED}
    assert orders.keys() == {"sorted", "repeated", "symmetric"}
    assert found["repeated"].way.packed
    assert (orders["sorted"], orders["symmetric"]) == (Order.DIFFERENCES, Order.SYMMETRIC)
    assert found["dense"].scheme.prior is not None


# A changed bias is simply another file; so are most changes of numbers stored as they are. What
# came with version 3 takes longer to read.
@pytest.mark.parametrize(
    ("whole", "mutations", "least_refused"),
    [(few_valued, MUTATIONS, 0.9), (many_valued, max(2_500, MUTATIONS // 4), 0.5)],
    indirect=["whole"],
)
def test_mutations_are_refused_or_are_another_valid_file(
    whole, mutations, least_refused, tmp_path, capsys, monkeypatch
):
    rng, path, refused = np.random.default_rng(1), tmp_path / "model.jxc", 0
    monkeypatch.setattr(stored, "coders", lambda entries: (None, Counting))
    tracemalloc.start()
    for number in range(mutations):
        if number == TRACED:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        path.write_bytes(resealed(mutated(whole, rng)))
        try:
            load(path)
        except FormatError:
            refused += 1
        path.unlink()  # to write over a file can take longer than to read it
    with capsys.disabled():
        print(
            f"\n{mutations:,} mutations: {refused:,} refused, {mutations - refused:,} other valid "
            f"files; peak of {TRACED:,} {peak / 2**20:.1f} MiB"
        )
    assert refused > least_refused * mutations
    assert peak < MAX_MEMORY


def test_mutations_behind_the_old_checksum_are_all_refused(whole, tmp_path):
    rng, path = np.random.default_rng(2), tmp_path / "model.jxc"
    for _ in range(2_000):
        changed = mutated(whole, rng)
        if changed == whole:
            continue
        path.write_bytes(changed)
        with pytest.raises(FormatError):
            load(path)
        path.unlink()


@pytest.mark.parametrize(
    ("invented", "share"),
    [(of_version_3, 0.5), (of_version_2, 0.25), (of_version_1, 0.25)],
    ids=["3", "2", "1"],
)
def test_files_that_are_made_up_are_refused_or_valid(tmp_path, capsys, invented, share):
    rng, path, files = np.random.default_rng(3), tmp_path / "model.jxc", int(share * MUTATIONS)
    refused = 0
    for number in range(files):
        path.write_bytes(invented(rng))
        try:
            loaded = dict(arrays(path, limits=LIMITS))
        except FormatError:
            refused += 1
        else:
            if number % 8 == 0:
                assert_all_readers_agree(path, loaded)
        path.unlink()
    with capsys.disabled():
        print(f"\n{files:,} files made up: {refused:,} refused, {files - refused:,} valid")
    assert 0.2 < refused / files < 0.8


def assert_all_readers_agree(path, loaded):
    tree = load(path, limits=LIMITS)
    for (names, array), tensor in zip(loaded.items(), describe(path).tensors, strict=True):
        leaf = functools.reduce(operator.getitem, names, tree)
        assert (array.shape, array.dtype) == (leaf.shape, leaf.dtype)
        assert array.tobytes() == leaf.tobytes()
        assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.name)
    for (levels, codebook), array in zip(read(path).values(), loaded.values(), strict=True):
        values = levels if codebook is None else FewValued(levels, codebook).values()
        assert values.tobytes() == array.tobytes()
