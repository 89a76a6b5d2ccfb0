"""The network of g2p-en as a subject of compression: how it was trained is not known.

Labels are of the CMU Pronouncing Dictionary, much of which the network was trained on: errors say
how it changes by compression, not how well it does on new words.
"""

import itertools
from collections.abc import Iterator
from functools import cache

import jax
import numpy as np

from experiments.benchmarks.pronounced_words import Errors, Word, errors, split
from experiments.benchmarks.pronounced_words import words as all_words
from experiments.benchmarks.pronunciation_network import (
    END,
    END_OF_WORD,
    LETTERS,
    LONGEST,
    PHONEMES,
    START,
    greedy,
    next_phonemes,
    packaged_params,
)
from experiments.benchmarks.subject import (
    BATCH,
    EXAMPLES,
    Params,
    Subject,
    check_examples,
    check_split,
)

_SIZES = {"validation": 3_000, "test": 10_000}  # words; the others are for calibration
_TOGETHER = 1_000  # words that are spelled out at a time
PLACES, STEPS = 32, 20  # letters and phonemes in a row of calibration inputs
_WORDS_FOR_A_ROW = 6  # are enough, with those of rows that are drawn again

_greedy = jax.jit(greedy)


def pronunciation() -> Subject:
    """Return the network; the quality is % of phonemes wrong."""
    params = packaged_params()
    _split_words()  # errors of missing labels come here

    def quality(params: Params, split: str) -> float:
        return word_errors(params, split).phonemes

    def batches(seed: int, examples: int = EXAMPLES) -> list[tuple[np.ndarray, ...]]:
        return calibration_batches(params, _split_words()["calibration"], seed, examples)

    unit, losses = "% of phonemes wrong", (0.1, 0.5, 1.0)
    return Subject("g2p_en", params, next_phonemes, batches, quality, unit, losses)


def word_errors(params: Params, split: str) -> Errors:
    """Return the errors of greedy decoding on the words of a split."""
    check_split(split)
    chosen = _split_words()[split]
    said = [tuple(PHONEMES[p] for p in one) for one in spelled(params, chosen)]
    return errors(said, chosen)


@cache
def _split_words() -> dict[str, list[Word]]:
    *measured, rest = split(all_words(), list(_SIZES.values()), seed=0)
    return {**dict(zip(_SIZES, measured, strict=True)), "calibration": rest}


def spelled(params: Params, words: list[Word]) -> list[list[int]]:
    """Return the numbers of the phonemes that the network gives for each word."""
    said = []
    for begin in range(0, len(words), _TOGETHER):
        part = words[begin : begin + _TOGETHER]
        letters = np.zeros((_TOGETHER, LONGEST + 1), np.int32)
        letters[:, 0] = END_OF_WORD
        for row, word in zip(letters, part, strict=False):
            row[: len(word.letters) + 1] = _numbers(word)
        for row in np.asarray(_greedy(params, letters))[: len(part)].tolist():
            said.append(row[: row.index(END)] if END in row else row)
    return said


def _numbers(word: Word) -> list[int]:
    return [*map(LETTERS.index, word.letters), END_OF_WORD]


def calibration_batches(
    params: Params, words: list[Word], seed: int, examples: int
) -> list[tuple[np.ndarray, ...]]:
    """Return batches of letters [n, `PLACES`] and phonemes [n, `STEPS`] for `next_phonemes`.

    Rows hold words one after another, with the phonemes that the network itself gives: no labels,
    and no padding, which would count among the inputs of layers. The last word is cut off. Rows
    whose phonemes belong to more letters than there is room for are drawn again.
    """
    check_examples(examples, len(words) // _WORDS_FOR_A_ROW)
    order = np.random.default_rng(seed).permutation(len(words))
    in_order = _with_phonemes(params, [words[i] for i in order])
    rows = list(itertools.islice(_rows(in_order), examples))
    if len(rows) < examples:
        raise ValueError(
            f"{len(words)} words gave {len(rows)} rows of {STEPS} phonemes instead of {examples}: "
            "the network says too little"
        )
    letters, phonemes = (np.array(part, np.int32) for part in zip(*rows, strict=True))
    count = examples // BATCH
    return list(zip(np.split(letters, count), np.split(phonemes, count), strict=True))


def _with_phonemes(params: Params, words: list[Word]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield letters and inputs of the decoder, word by word."""
    for begin in range(0, len(words), _TOGETHER):
        part = words[begin : begin + _TOGETHER]
        for word, said in zip(part, spelled(params, part), strict=True):
            yield _numbers(word), [START, *said][:LONGEST]


def _rows(words: Iterator[tuple[list[int], list[int]]]) -> Iterator[tuple[list[int], list[int]]]:
    letters: list[int] = []
    phonemes: list[int] = []
    for own_letters, own_phonemes in words:
        if len(phonemes) < STEPS:
            letters, phonemes = letters + own_letters, phonemes + own_phonemes
            if len(letters) > PLACES:
                letters, phonemes = [], []
        else:  # a word that is read, and not written
            letters = letters + own_letters
        if len(phonemes) >= STEPS and len(letters) >= PLACES:
            yield letters[:PLACES], phonemes[:STEPS]
            letters, phonemes = [], []
