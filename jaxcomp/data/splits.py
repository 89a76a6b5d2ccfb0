"""What a data set is divided into."""

from typing import Generic, NamedTuple, TypeVar

from jaxcomp.data.examples import Examples
from jaxcomp.data.stream import Stream

Split = Examples | Stream
Of = TypeVar("Of", bound=Split, covariant=True)


class Splits(NamedTuple, Generic[Of]):
    """Choose on `validation`, report on `test` once."""

    train: Of
    validation: Of
    test: Of
