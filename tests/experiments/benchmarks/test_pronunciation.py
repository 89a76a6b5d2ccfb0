"""The network of g2p-en in JAX computes what the package does, also on rows of several words."""

import ast
import os

import jax
import numpy as np
import pytest

import jaxcomp
from experiments.benchmarks import pronounced_words, pronunciation
from experiments.benchmarks.packaged_data import packaged
from experiments.benchmarks.pronounced_words import Word, edit_distance, errors
from experiments.benchmarks.pronunciation_network import (
    END,
    END_OF_WORD,
    LETTERS,
    PHONEMES,
    START,
    greedy,
    next_phonemes,
)

UNITS = 6


@pytest.fixture(scope="module")
def params():
    """Random parameters in the package's form, small, and large enough to say different things."""
    rng = np.random.default_rng(0)
    shapes = {
        "enc_emb": (len(LETTERS), UNITS),
        "dec_emb": (len(PHONEMES), UNITS),
        "fc_w": (len(PHONEMES), UNITS),
        "fc_b": (len(PHONEMES),),
    }
    for name in ("enc", "dec"):
        shapes |= {f"{name}_w_ih": (3 * UNITS, UNITS), f"{name}_w_hh": (3 * UNITS, UNITS)}
        shapes |= {f"{name}_b_ih": (3 * UNITS,), f"{name}_b_hh": (3 * UNITS,)}
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    params["fc_b"][START] = -100  # never said, as by the trained network
    params["fc_b"][END] = 2  # words of about five phonemes
    return params


def numbers(word):
    return [*map(LETTERS.index, word), END_OF_WORD]


def cell(params, name, x, h):
    """A gated recurrent unit as Cho et al., arXiv 1406.1078, with PyTorch's second bias."""
    inputs = params[f"{name}_w_ih"] @ x + params[f"{name}_b_ih"]
    state = params[f"{name}_w_hh"] @ h + params[f"{name}_b_hh"]
    r, z = (
        1 / (1 + np.exp(-inputs[part] - state[part]))
        for part in (slice(UNITS), slice(UNITS, 2 * UNITS))
    )
    n = np.tanh(inputs[2 * UNITS :] + r * state[2 * UNITS :])
    return (1 - z) * n + z * h


def logits_of(params, word, phonemes):
    """One word at a time, by the definition."""
    h = np.zeros(UNITS)
    for letter in numbers(word):
        h = cell(params, "enc", params["enc_emb"][letter], h)
    logits = []
    for phoneme in phonemes:
        h = cell(params, "dec", params["dec_emb"][phoneme], h)
        logits.append(params["fc_w"] @ h + params["fc_b"])
    return np.array(logits)


def test_words_of_a_row_do_not_see_each_other(params):
    first, second = [START, 10, 20], [START, 30, 40, 50]
    letters = np.array([numbers("cat") + numbers("horse") + [5, 6]], np.int32)
    found = jax.jit(next_phonemes)(params, letters, np.array([first + second], np.int32))[0]
    np.testing.assert_allclose(found[:3], logits_of(params, "cat", first), atol=1e-5)
    np.testing.assert_allclose(found[3:], logits_of(params, "horse", second), atol=1e-5)


def test_greedy_decoding_feeds_back_the_likeliest(params):
    letters = np.zeros((2, 7), np.int32)
    for row, word in zip(letters, ("cat", "horse"), strict=True):
        row[: len(word) + 1] = numbers(word)
    found = np.asarray(jax.jit(greedy)(params, letters))
    for word, said in zip(("cat", "horse"), found, strict=True):
        expected = logits_of(params, word, [START, *said[:-1]]).argmax(axis=1)
        np.testing.assert_array_equal(said, expected)


def test_tracing_finds_the_weights(params):
    network = jaxcomp.trace(
        next_phonemes, params, np.zeros((1, 4), np.int32), np.zeros((1, 3), np.int32)
    )
    uses = {name: parameter.use for name, parameter in network.parameters.items()}
    assert {name for name, use in uses.items() if use == "embedding"} == {"enc_emb", "dec_emb"}
    dense = {name for name, use in uses.items() if use == "dense"}
    assert dense == {"enc_w_ih", "enc_w_hh", "dec_w_ih", "dec_w_hh", "fc_w"}
    assert {network.parameters[name].axes.outputs for name in dense} == {(0,)}


def test_calibration_rows_have_no_padding_and_belong_together(params):
    alphabet = LETTERS[3:]
    rng = np.random.default_rng(1)
    words = [Word("".join(rng.choice(alphabet, n)), ()) for n in rng.integers(2, 9, 2_000)]
    [(letters, phonemes)] = pronunciation.calibration_batches(params, words, seed=0, examples=256)
    assert letters.shape == (256, pronunciation.PLACES)
    assert phonemes.shape == (256, pronunciation.STEPS)
    assert (phonemes[:, 0] == START).all()
    # The network says the next phoneme itself; before the next word it says that this one ends.
    said = np.asarray(jax.jit(next_phonemes)(params, letters, phonemes)).argmax(axis=2)[:, :-1]
    following = phonemes[:, 1:]
    goes_on = following != START
    assert (said[goes_on] == following[goes_on]).mean() > 0.999
    assert END not in phonemes
    known = {word.letters for word in words}
    first = ["".join(LETTERS[n] for n in row[: list(row).index(END_OF_WORD)]) for row in letters]
    assert set(first) <= known


def test_too_many_calibration_rows_are_an_error(params):
    with pytest.raises(ValueError, match="at most 1: got 256"):
        pronunciation.calibration_batches(params, [Word("cat", ())] * 6, seed=0, examples=256)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)],
)
def test_edit_distance(one, other, distance):
    assert edit_distance(one, other) == edit_distance(other, one) == distance


def test_errors_are_to_the_nearest_pronunciation():
    words = [Word("a", (("AH0",), ("EY1",))), Word("to", (("T", "UW1"),))]
    found = errors([("EY1",), ("T", "AH0", "N")], words)
    assert found.words == 50
    assert found.phonemes == pytest.approx(100 * 2 / 3)


def test_words_have_all_their_pronunciations_and_nothing_but_letters(tmp_path, monkeypatch):
    path = tmp_path / "words"
    lines = ["a AH0", "a(2) EY1", "d'or D AO1 R # foreign", "to T UW1 # comment", 21 * "x" + " K"]
    path.write_text("\n".join(lines))
    monkeypatch.setattr(pronounced_words, "packaged", lambda *_: path)
    expected = [Word("a", (("AH0",), ("EY1",))), Word("to", (("T", "UW1"),))]
    assert pronounced_words.words() == expected


def package():
    """The network of the package, of whose code the import would want other packages and data."""
    try:
        path = packaged("g2p-en", "2.1.0", "g2p.py")
    except ImportError as error:
        pytest.skip(str(error))
    tree = ast.parse(path.read_text("utf-8"))
    [definition] = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    definition.body = [node for node in definition.body if node.name != "__init__"]
    names = {"np": np, "os": os, "dirname": str(path.parent)}
    exec(compile(ast.Module([definition], []), str(path), "exec"), names)
    network = names["G2p"]()
    network.load_variables()
    network.g2idx = {letter: place for place, letter in enumerate(LETTERS)}
    network.idx2p = dict(enumerate(PHONEMES))
    return network


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # in the package's code
def test_it_says_what_the_package_says():
    theirs, params = package(), pronunciation.packaged_params()
    assert sum(w.size for w in params.values()) == 834_890
    words = ["compression", "calibrated", "of", "the", "network", "a", "q", "xylophone", "ist"]
    words += [first + second for first in words for second in words[4:]]
    ours = pronunciation.spelled(params, [Word(word[:20], ()) for word in words])
    said = [[PHONEMES[phoneme] for phoneme in one] for one in ours]
    assert said == [theirs.predict(word[:20]) for word in words]


@pytest.mark.slow
def test_its_errors_are_those_known():
    try:
        subject = pronunciation.pronunciation()
    except ImportError as error:
        pytest.skip(str(error))
    found = pronunciation.word_errors(subject.params, "validation")
    assert found.phonemes == pytest.approx(10.05, abs=0.05)
    assert found.words == pytest.approx(31.33, abs=0.1)
    parts = pronunciation._split_words()
    letters = [{word.letters for word in part} for part in parts.values()]
    assert len(set.union(*letters)) == sum(map(len, letters))
