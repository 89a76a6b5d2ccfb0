"""Random mutations: behind a checksum that is right again, the reader still names what is wrong."""

import tracemalloc

import hypothesis
import numpy as np
import pytest

from jaxcomp.codec import FormatError, load, reading, save
from jaxcomp.codec.adaptive import MAX_MAGNITUDE, Settings
from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.levels import Quantised
from jaxcomp.codec.limits import LIMITS
from jaxcomp.codec.records import _code_facts, _code_values, _facts_of_levels
from jaxcomp.codec.scheme import Scheme
from jaxcomp.codec.segments import trailer
from jaxcomp.codec.text import Text
from tests.codec.crafted import resealed, sealed

pytestmark = pytest.mark.slow

MUTATIONS = 100 * hypothesis.settings().max_examples  # 2,500, or 20,000 if thorough
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


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file with every kind of array."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("fuzz") / "model.jxc"
    ternary = rng.choice(np.array([-1, 0, 1], np.float32), (20, 10), p=[0.1, 0.8, 0.1])
    bias = np.where(np.arange(5) % 2, rng.normal(size=5), 0).astype(np.float32)
    save(
        path,
        {
            "layer": {"kernel": ternary, "bias": bias},
            "constant": np.ones((5, 5)),
            "codes": np.arange(300, dtype=np.int16) % 7,
            "table": rng.choice(np.array([-2.5, -0.1, 0.7, 9]), (4, 3, 2)),
        },
    )
    return path.read_bytes()


class Counting(Decoder):
    """A decoder that counts what it is asked for."""

    calls = entries = 0

    def symbols(self, weights, count, symbols):
        Counting.calls, Counting.entries = Counting.calls + 1, Counting.entries + count
        return super().symbols(weights, count, symbols)

    def bits(self, ones, bits):
        Counting.calls, Counting.entries = Counting.calls + 1, Counting.entries + len(ones)
        return super().bits(ones, bits)


def test_mutations_are_refused_or_are_another_valid_file(whole, tmp_path, capsys, monkeypatch):
    rng, path, refused = np.random.default_rng(1), tmp_path / "model.jxc", 0
    most_calls = most_entries = 0.0  # of what the limits let a file of its size ask for
    monkeypatch.setattr(reading, "Decoder", Counting)
    tracemalloc.start()
    for number in range(MUTATIONS):
        if number == TRACED:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        data = resealed(mutated(whole, rng))
        path.write_bytes(data)
        Counting.calls = Counting.entries = 0
        try:
            load(path)
        except FormatError:
            refused += 1
        limit = {what: one.per_byte * len(data) + one.free for what, one in LIMITS.items()}
        most_calls = max(most_calls, Counting.calls / (limit["rows"] + limit["text"]))
        most_entries = max(most_entries, Counting.entries / limit["arrays"])
        path.unlink()  # to write over a file can take longer than to read it
    with capsys.disabled():
        print(
            f"\n{MUTATIONS:,} mutations: {refused:,} refused, {MUTATIONS - refused:,} other valid "
            f"files; {most_calls:.2f} and {most_entries:.2f} of the work that limits allow, "
            f"peak of {TRACED:,} {peak / 2**20:.1f} MiB"
        )
    # A changed bias is simply another file.
    assert refused > 0.9 * MUTATIONS
    assert peak < MAX_MEMORY
    # A byte of text takes up to eight calls, a row one for each magnitude.
    assert most_calls < 1
    assert most_entries < 1


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


def test_a_small_file_cannot_ask_for_much_time(tmp_path):
    # Rows of the largest magnitudes, which cost next to nothing once they are expected.
    levels = np.full((400, 60), MAX_MAGNITUDE, np.int16)
    record = Quantised(levels, np.array(0.5))
    facts = _facts_of_levels(record)._replace(scheme=Scheme(settings=Settings(1, False)))
    raw: list[bytes] = []
    encoder = Encoder(raw.append)
    text = Text(encoder)
    for byte in b"w\1":
        text.byte(byte)
    _code_facts(text, facts)
    _code_values(encoder, facts, {}, record, levels)
    text.byte(3)
    code = encoder.finish()
    data = b"".join(raw) + code + trailer(len(b"".join(raw)), len(code), first=True)
    (tmp_path / "model.jxc").write_bytes(sealed(data, 2))
    with pytest.raises(FormatError, match="steps through arrays coded row by row are declared"):
        load(tmp_path / "model.jxc")
