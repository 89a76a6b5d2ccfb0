"""Reads Shakespeare's sonnets character by character: text without a download."""

from importlib.resources import files

import numpy as np

from jaxcomp.data.examples import Examples
from jaxcomp.data.splits import Splits

LENGTH = 64  # characters of an example
STRIDE = 8  # characters between the beginnings of two training examples
POEMS = 154
CHARACTERS = 61  # number of different characters of the text
_HELD_OUT = 15  # poems of the validation split, and of the test split


def sonnets(seed: int = 0) -> Splits[Examples]:
    """Return texts of `LENGTH` characters of the 154 sonnets (1609, public domain).

    Inputs are int32 [n, LENGTH], indices into `characters()`; labels are the same, one character
    later. The poems, some 620 characters each, are drawn by `seed`: 124 for training, in
    overlapping examples, 15 for validation and 15 for the test. Each character of these is
    predicted once.

    Example:
      >>> from jaxcomp.data import sonnets
      >>> splits = sonnets(seed=0)
      >>> splits.train.inputs.shape[1:], splits.train.inputs.dtype
      ((64,), dtype('int32'))
      >>> bool((splits.test.inputs[:, 1:] == splits.test.labels[:, :-1]).all())
      True
    """
    text = _text()
    places = {character: place for place, character in enumerate(_characters_of(text))}
    poems = text.split("\n\n")
    order = np.random.default_rng(seed).permutation(POEMS)
    test, validation, train = np.split(order, [_HELD_OUT, 2 * _HELD_OUT])
    return Splits(
        _examples(poems, train, STRIDE, places),
        _examples(poems, validation, LENGTH, places),
        _examples(poems, test, LENGTH, places),
    )


def characters() -> str:
    """Return the `CHARACTERS` characters of the text, in the order of their numbers."""
    return _characters_of(_text())


def _characters_of(text: str) -> str:
    return "".join(sorted(set(text)))


def _text() -> str:
    return (files("jaxcomp.data") / "sonnets.txt").read_text("utf-8")


def _examples(
    poems: list[str], chosen: np.ndarray, stride: int, places: dict[str, int]
) -> Examples:
    text = "\n\n".join(poems[index] for index in chosen)
    numbers = np.array([places[character] for character in text], np.int32)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, LENGTH + 1)[::stride]
    return Examples(windows[:, :-1].copy(), windows[:, 1:].copy())
