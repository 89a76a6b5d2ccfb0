"""Random mutations: behind a checksum that is right again, the reader still names what is wrong."""

import tracemalloc

import numpy as np
import pytest

from jaxcomp.codec import FormatError, container, load, save

MUTATIONS = 20_000
MAX_MEMORY = 64 * 2**20  # bytes


def mutated(body: bytes, rng: np.random.Generator) -> bytes:
    """One to three bytes after the version replaced, flipped in a bit, deleted or inserted."""
    out = bytearray(body)
    for _ in range(rng.integers(1, 4)):
        place, byte = int(rng.integers(5, len(out))), int(rng.integers(256))
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
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("fuzz") / "model.jxc"
    ternary = rng.choice(np.array([-1, 0, 1], np.float32), (20, 10), p=[0.1, 0.8, 0.1])
    save(
        path,
        {
            "layer": {"kernel": ternary, "bias": rng.normal(size=5).astype(np.float32)},
            "constant": np.ones((5, 5)),
            "codes": np.arange(300, dtype=np.int16) % 7,
        },
    )
    return path.read_bytes()


def test_mutations_are_refused_or_are_another_valid_file(whole, tmp_path, record_property):
    rng, path, refused = np.random.default_rng(1), tmp_path / "model.jxc", 0
    body = whole[: -container._DIGEST_BYTES]
    tracemalloc.start()
    for _ in range(MUTATIONS):
        changed = mutated(body, rng)
        path.write_bytes(changed + container._digest(changed))
        try:
            load(path)
        except FormatError:
            refused += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    record_property("refused", refused)
    # A changed codebook, name or shape of equal size is simply another file.
    assert refused > 0.9 * MUTATIONS
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
