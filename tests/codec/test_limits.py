"""The cost of reading a file is counted, the count bounds it, and the writer counts the same."""

import tracemalloc

import ml_dtypes
import msgpack
import numpy as np
import pytest

from jaxcomp.codec import FormatError, Limits, arrays, describe, limits, load, read, save
from jaxcomp.codec.adaptive import MAX_WIDTH, Settings, code_adaptive
from jaxcomp.codec.chain import MEMORY as CHAIN_MEMORY
from jaxcomp.codec.chain import code_chain
from jaxcomp.codec.coder import Encoder
from jaxcomp.codec.container import open_container
from jaxcomp.codec.counted import code_counted
from jaxcomp.codec.facts import Facts, Kind, code_facts
from jaxcomp.codec.layout import read_footer
from jaxcomp.codec.limits import MEMORY_PER_BYTE, PROGRAM_MEMORY, SMALL, WORK_PER_BYTE
from jaxcomp.codec.planes import code_planes
from jaxcomp.codec.scheme import Scheme
from jaxcomp.codec.stored import StoredArrays
from jaxcomp.codec.threads import Threads
from jaxcomp.codec.trailing import trailing
from jaxcomp.codec.writing import Writer
from tests.codec.crafted import of_coded, of_text, sealed, trailer, write_bytes
from tests.codec.test_golden import few_valued, tree

READERS = {
    "load": load,
    "read": read,
    "describe": describe,
    "arrays": lambda path, **options: list(arrays(path, **options)),
}
INT8, FLOAT32 = np.dtype(np.int8), np.dtype("<f4")
BY_ROWS = Scheme(settings=Settings(1, False))


def of_levels(facts, *counted, file_bytes=9_000):
    """A file of one array: its facts, a codebook of ones, and symbols `(alphabet, values)`."""

    def write(encoder, text):
        write_bytes(text, b"w\1")
        code_facts(text, facts)
        ones = np.ones(facts.codebook_size, facts.dtype)
        if facts.kind != Kind.SPARSE:
            code_planes(encoder, facts.dtype, ones.size, ones)
        for alphabet, values in counted:
            code_counted(encoder, alphabet, len(values), np.asarray(values, np.int32))
        if facts.kind == Kind.SPARSE:
            code_planes(encoder, facts.dtype, ones.size, ones)
        write_bytes(text, b"\3")

    return of_coded(write, file_bytes=file_bytes)


def of_alike_factors(entries, axes=(0,), file_bytes=9_000):
    """Zeros with a scale that varies along axes, and does not."""
    facts = Facts(Kind.STEP, INT8, (1000, entries // 1000), scheme=Scheme(axes))
    factors = [(64, np.full(facts.shape[axis], 32)) for axis in axes]
    return of_levels(facts, *factors, file_bytes=file_bytes)


def of_dense_rows(rows, columns):
    """Rows of levels up to 32, of which the first is there, and others cost nothing."""

    def write(encoder, text):
        write_bytes(text, b"w\1")
        code_facts(text, Facts(Kind.STEP, INT8, (rows, columns), (0, 32), scheme=BY_ROWS))
        code_planes(encoder, INT8, 1, np.ones(1, np.int8))
        code_chain(encoder, 2, columns, period=1, hint=None, symbols=np.ones(columns, int))
        encoder.symbols(np.ones(192), 1, np.array([191]))
        code_chain(encoder, 2, rows, period=1, hint=None, symbols=np.ones(rows, int))

    return of_coded(write, file_bytes=2_000)


def of_version_1(code, entries, codebook):
    header = msgpack.packb({"w": [code, [entries], 0, codebook]})
    return sealed(len(header).to_bytes(4, "little") + header, 1)


@pytest.fixture
def refuse(tmp_path):
    """Asserts that all readers refuse some bytes, for the reason given, in little memory."""

    def check(data, message, **options):
        (tmp_path / "model.jxc").write_bytes(data)
        for reader in READERS.values():
            tracemalloc.start()
            try:
                with pytest.raises(FormatError, match=message):
                    reader(tmp_path / "model.jxc", **options)
                assert tracemalloc.get_traced_memory()[1] < 2 * PROGRAM_MEMORY
            finally:
                tracemalloc.stop()

    return check


@pytest.mark.parametrize("axes", [(), (0,), (1,), (0, 1)])
def test_what_takes_more_memory_than_its_file_may_is_refused(refuse, axes):
    refuse(
        of_alike_factors(15 * 10**7, axes, file_bytes=20_000), "MB of memory, beyond the limit of"
    )


def test_codebooks_take_memory_too(refuse):
    steps = Facts(Kind.STEPS, np.dtype("<f8"), (2**30, 0), step_shape=(2**30, 1))
    refuse(of_text(lambda text: (write_bytes(text, b"w\1"), code_facts(text, steps))), "memory")


def test_tables_that_are_kept_take_memory(tmp_path):
    table = Facts(Kind.TABLE, np.dtype("<f8"), (0,), (0, 2**15 - 1))

    def write(encoder, text):
        for i in range(20):
            write_bytes(text, b"%d\1" % i)
            code_facts(text, table)
            code_planes(encoder, table.dtype, 2**15, np.ones(2**15))
        write_bytes(text, b"\3")

    (tmp_path / "model.jxc").write_bytes(of_coded(write))
    allowed = Limits(memory=PROGRAM_MEMORY + 10 * 2**18)
    assert len(list(arrays(tmp_path / "model.jxc", limits=allowed))) == 20
    with pytest.raises(FormatError, match="of memory"):
        read(tmp_path / "model.jxc", limits=allowed)


def test_files_of_version_1_have_the_same_limits(refuse):
    refuse(of_version_1(7, 2**23, bytes(4)), "of memory", limits=Limits(memory=4e7))
    refuse(of_version_1(7, 2**24, bytes(4)), "seconds", limits=Limits(seconds=1))


def test_rows_take_the_time_of_their_entries_and_magnitudes(refuse):
    refuse(of_dense_rows(400, 10_000), "takes more than 0.2 seconds", limits=Limits(seconds=0.2))


def test_text_takes_time(refuse):
    names = of_text(
        lambda text: [write_bytes(text, b"%d" % i + 900 * b"n" + b"\2") for i in range(9)]
    )
    refuse(names, "takes more than 0.01 seconds", limits=Limits(seconds=0.01))


def test_rows_have_an_end(refuse, monkeypatch):
    monkeypatch.setattr("jaxcomp.codec.adaptive.MAX_WIDTH", 100)
    refuse(of_dense_rows(3, 101), "rows of 101 levels, more than 100")
    # Squares of log-odds, of at most twice 12 nats and a logarithm, times a variance of 2^10.
    assert MAX_WIDTH * (2 * 12 * 4096 + 52_000) ** 2 * 2**10 < 2**63 * 1.5


def test_segments_have_an_end(refuse, monkeypatch):
    monkeypatch.setattr("jaxcomp.codec.segments.MAX_SEGMENTS", 3)
    body = trailer(0, 0, first=True) + 3 * trailer(0, 0, first=False)
    refuse(sealed(body, 2), "more than 3 segments")


def test_a_file_that_is_larger_than_the_limit_is_not_read(tmp_path):
    path = tmp_path / "model.jxc"
    with open(path, "wb") as file:
        file.write(b"\x89JXC\2")
        file.truncate(2**32)  # a hole
    with pytest.raises(FormatError, match="17,197 MB of memory, beyond the limit of 100 MB"):
        load(path, limits=Limits(memory=1e8))


ENTRIES = 2**23
COSTS = {
    "scaled": of_alike_factors(ENTRIES),
    "scaled twice": of_alike_factors(ENTRIES, (0, 1)),
    "not scaled": of_alike_factors(ENTRIES, ()),
    "wide levels": of_levels(Facts(Kind.STEP, FLOAT32, (ENTRIES,), (0, 0))),
    "sixteen bits": of_levels(
        Facts(Kind.STEP, INT8, (1, ENTRIES), (-300, 0), scheme=Scheme((0,))), (64, [0])
    ),
    "pattern": of_levels(
        Facts(Kind.SPARSE, np.dtype("<f8"), (2, ENTRIES // 2), (0, 1), scheme=Scheme((0,))),
        (64, [0, 0]),
    ),
    "bfloat16": of_levels(Facts(Kind.STEP, np.dtype(ml_dtypes.bfloat16), (ENTRIES,))),
    "table": of_levels(Facts(Kind.TABLE, np.dtype("<f2"), (ENTRIES,), (0, 0))),
    "steps": of_levels(
        Facts(Kind.STEPS, FLOAT32, (16, ENTRIES // 16), step_shape=(16, 1)),
    ),
    "version 1": of_version_1(7, ENTRIES, bytes(4)),
    "version 1, small": of_version_1(1, ENTRIES, b"\1"),
}


def read_all(path, *, keeps=True, **options):
    """The memory that is counted when all arrays are read."""
    with open_container(path, keeps=keeps) as container:
        found = StoredArrays(container, Threads(1))
        for _, stored, _ in found.items(**options):
            if stored is not None:
                found.record(stored)
    return container.budget.memory


@pytest.mark.parametrize("reader", ["load", "read", "describe"])
@pytest.mark.parametrize("name", COSTS)
def test_no_more_memory_is_taken_than_is_counted(tmp_path, name, reader):
    path = tmp_path / "model.jxc"
    path.write_bytes(COSTS[name])
    few, metered = reader != "load", reader == "describe"
    counted = read_all(path, keeps=not metered, few=few, metered=metered) - PROGRAM_MEMORY
    tracemalloc.start()
    READERS[reader](path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Parts of arrays that are at hand are counted once, whatever the array.
    assert peak < counted + PROGRAM_MEMORY / 2
    assert peak > 0.3 * counted or reader != "load"


@pytest.mark.parametrize("shape", [(2, 3000), (3000, 2)], ids=str)
def test_rows_and_columns_of_levels_take_memory(shape):
    levels = np.zeros(shape, np.int8)
    levels[0, 0] = 1
    encoder = Encoder()
    code_adaptive(encoder, shape, (0, 1), Settings(1, False), {}, levels)
    assert encoder.budget.memory - PROGRAM_MEMORY >= CHAIN_MEMORY * sum(shape)


@pytest.mark.parametrize("apart", [2**18, 2**9])
@pytest.mark.parametrize("what", ["tree", "levels", "many names"])
def test_writer_and_reader_count_the_same(tmp_path, monkeypatch, what, apart):
    monkeypatch.setattr("jaxcomp.codec.stream._APART", apart)
    monkeypatch.setattr("jaxcomp.codec.stream._PART", 2 * apart)
    path = tmp_path / "model.jxc"
    with Writer(path) as writer:
        if what == "levels":
            for name, (levels, codebook) in few_valued().items():
                writer.add_levels((name,), levels, codebook)
        elif what == "tree":
            for name, array in tree()["params"]["Dense_0"].items():
                writer.add((name,), array)
            writer.add(("half",), tree()["half"])
            writer.add_empty_dict(("empty",))
        else:
            for i in range(50):
                writer.add((f"layer_{i}", "kernel"), np.zeros((i, 3), np.float32))
    written = writer._stream.budget
    with open_container(path) as container:
        found = StoredArrays(container, Threads(1))
        for stored in [stored for _, stored, _ in found.items() if stored is not None]:
            found.record(stored)
    counted = container.budget
    # The text ends with a byte that a reader does not count any more.
    assert written.work_done == counted.work_done
    assert written._spent["text"] == counted._spent["text"] + 1
    text = limits.MEMORY_OF_TEXT
    copies = limits.FILE_COPIES * path.stat().st_size
    assert 0 <= written.memory + copies - counted.memory <= text + copies


@pytest.mark.parametrize("what", ["memory", "work"])
def test_a_writer_makes_a_file_as_large_as_its_cost_asks_for(tmp_path, monkeypatch, what):
    # Limits that are as narrow for a small network as the true ones are for a very large one.
    monkeypatch.setattr(limits, "SMALL", 16)
    if what == "memory":
        monkeypatch.setattr(limits, "PROGRAM_MEMORY", 2**10)
        params = {"a": np.zeros((300, 3000), np.float32), "b": np.zeros(10)}
        monkeypatch.setattr(limits, "WORK_PER_BYTE", 2**30)
    else:
        monkeypatch.setattr(limits, "MEMORY_PER_BYTE", 2**20)
        rows = np.zeros((3000, 2), np.float32)
        rows[1000:1400, 1] = 1
        params = {"a": rows, "b": np.zeros(10)}
    path = tmp_path / "w.jxc"
    save(path, params)
    loaded = load(path)
    assert all(loaded[name].tobytes() == params[name].tobytes() for name in params)
    body = path.read_bytes()[5:-8]
    footer = read_footer(memoryview(body))
    # The footer and the checksum come after the zeros.
    body = body[: -footer.size]
    assert body.endswith(bytes(16))
    path.write_bytes(sealed(body[:-16] + trailing(2 * (footer.code_bytes - 16)), 3))
    with pytest.raises(FormatError, match="memory" if what == "memory" else "seconds"):
        load(path)


@pytest.mark.parametrize("reader", READERS)
def test_readers_can_be_told_to_take_less(tmp_path, reader):
    path = tmp_path / "w.jxc"
    save(path, {"w": np.zeros((3000, 3000), np.float32)})
    READERS[reader](path, limits=Limits(memory=10**9, seconds=60))
    with pytest.raises(FormatError, match="62 MB of memory, beyond the limit of 50 MB"):
        READERS[reader](path, limits=Limits(memory=5e7))
    with pytest.raises(FormatError, match=r"more than 0.01 seconds, the limit for"):
        READERS[reader](path, limits=Limits(seconds=0.01))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (Limits(memory=0), ValueError, "limits.memory must be a positive number or None, got 0"),
        (Limits(memory=float("nan")), ValueError, "limits.memory must be a positive number"),
        (
            Limits(seconds=-1),
            ValueError,
            "limits.seconds must be a positive number or None, got -1",
        ),
        (Limits(memory="1G"), ValueError, "limits.memory must be .*, got '1G'"),
        (Limits(seconds=True), ValueError, "limits.seconds must be .*, got True"),
        (10**9, TypeError, "limits must be a jaxcomp.codec.Limits, got a int"),
    ],
)
def test_limits_that_are_none(tmp_path, given, error, message):
    save(tmp_path / "w.jxc", {})
    for reader in READERS.values():
        with pytest.raises(error, match=message):
            reader(tmp_path / "w.jxc", limits=given)


def test_what_a_small_file_may_cost():
    assert MEMORY_PER_BYTE * SMALL == 2**28
    assert WORK_PER_BYTE * SMALL < 10**10
