"""What a data set is divided into."""

from typing import NamedTuple

from jaxcomp.data.examples import Examples
from jaxcomp.data.stream import Stream

Split = Examples | Stream


class Splits(NamedTuple):
    """Choose on `validation`, report on `test` once."""

    train: Split
    validation: Split
    test: Split
