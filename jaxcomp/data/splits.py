"""Divides a data set into training, validation and test splits."""

from typing import Generic, NamedTuple, TypeVar

from jaxcomp.data.examples import Examples
from jaxcomp.data.stream import Stream

Split = Examples | Stream
Of = TypeVar("Of", bound=Split, covariant=True)


class Splits(NamedTuple, Generic[Of]):
    """Holds the splits of a data set: choose on `validation`, report on `test` once.

    Example:
      >>> from jaxcomp.data import digits
      >>> train, validation, test = digits()
      >>> train.joined(validation).number
      1437
    """

    train: Of
    validation: Of
    test: Of
