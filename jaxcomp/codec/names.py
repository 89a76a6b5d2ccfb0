"""Codes the paths of arrays in a nested dict as text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import MAX_DEPTH, MAX_NAME
from jaxcomp.codec.text import Text

Names = tuple[str | int, ...]
NestedDict = dict[str | int, Any]  # leaves are arrays
# As an argument: to type checkers a mapping with names of one type is none with names of both.
NestedMapping = Mapping[str, Any] | Mapping[int, Any] | Mapping[str | int, Any]
Leaf = TypeVar("Leaf")

EMPTY = object()  # stands for a dict without entries where an array could be
NEXT_SEGMENT = object()  # stands for the end of a segment where names could be

# These bytes of a name's text are not UTF-8 text.
_NEXT = 0  # ends a part; another follows
_ARRAY = 1  # ends the names of an array
_EMPTY_DICT = 2  # ends the names of a dict without entries
_END = 3  # stands in place of a name: there are no more
_INTEGER = 4  # precedes a part that is an integer, in decimal
_LITERAL = 5  # precedes a byte below 7 of a text
_NEXT_SEGMENT = 6  # stands in place of a name: the text continues in another segment


def check_names(names: Names) -> None:
    """Check that a file can hold these names.

    Raises:
      TypeError: if a name is neither a str nor an int.
      ValueError: if a name is no valid text or beyond 64 bits, or there are none, too many or too
        long ones.
    """
    if not names:
        raise ValueError("an array needs a name")
    if len(names) > MAX_DEPTH:
        raise ValueError(f"params are nested more than {MAX_DEPTH} deep at {join(names[:3])}...")
    for name in names:
        if not isinstance(name, str | int) or isinstance(name, bool):
            raise TypeError(f"names must be str or int, got {name!r} in {join(names[:-1])}")
        if isinstance(name, int) and not -(2**63) <= name < 2**64:
            raise ValueError(f"the name {name} in {join(names[:-1])} does not fit 64 bits")
        if isinstance(name, str) and not name.isascii():
            try:
                name.encode()
            except UnicodeEncodeError as error:
                raise ValueError(
                    f"the name {name!r} in {join(names[:-1])} is not valid text"
                ) from error
    length = sum(len(_part(name)) + 1 for name in names)
    if length > MAX_NAME:
        raise ValueError(
            f"the names {join(names)[:60]}... take {length} bytes, more than {MAX_NAME}"
        )


def encode_names(text: Text, names: Names, *, empty: bool = False) -> None:
    """Code the names of an array or, if `empty`, of a dict without entries."""
    parts = bytes([_NEXT]).join(_part(name) for name in names)
    for byte in parts + bytes([_EMPTY_DICT if empty else _ARRAY]):
        text.byte(byte)


def encode_end(text: Text) -> None:
    """Code that there are no more names."""
    text.byte(_END)


def decode_names(text: Text) -> Any:
    """Decode the next names, and whether they are those of an empty dict.

    Returns:
      None if there are no more; `NEXT_SEGMENT` if there may be more, in another segment.

    Raises:
      FormatError: if the bytes are no names.
    """
    names: list[str | int] = []
    part, is_integer, start = bytearray(), False, text.length
    while text.length - start <= MAX_NAME:
        byte = text.byte(None)
        if byte == _END and text.length == start + 1:
            return None
        if byte == _NEXT_SEGMENT and text.length == start + 1:
            return NEXT_SEGMENT
        if byte == _INTEGER and not part:
            is_integer = True
        elif byte == _LITERAL:
            part.append(text.byte(None))
        elif byte > _NEXT_SEGMENT:
            part.append(byte)
        elif byte in (_NEXT, _ARRAY, _EMPTY_DICT):
            names.append(_integer(part) if is_integer else _string(part))
            if byte != _NEXT:
                break
            part, is_integer = bytearray(), False
        else:
            raise FormatError(f"byte {byte} within a name")
    else:
        raise FormatError(f"a name is longer than {MAX_NAME} bytes")
    if len(names) > MAX_DEPTH:
        raise FormatError(f"the names are nested more than {MAX_DEPTH} deep")
    return tuple(names), byte == _EMPTY_DICT


def flatten(node: Mapping, names: Names = ()) -> Iterator[tuple[Names, Any]]:
    """Yield names and leaves of a nested dict in its order; an empty dict is the leaf EMPTY.

    Raises:
      ValueError: if it is nested too deep, as a dict is that contains itself.
    """
    if len(names) > MAX_DEPTH:
        raise ValueError(f"params are nested more than {MAX_DEPTH} deep at {join(names[:3])}...")
    if names and not node:
        yield names, EMPTY
    for key, child in node.items():
        if isinstance(child, Mapping):
            yield from flatten(child, (*names, key))
        else:
            yield (*names, key), child


class Unflattened:
    """Holds a nested dict that grows by names and leaves."""

    def __init__(self) -> None:
        self.root: NestedDict = {}

    def add(self, names: Names, leaf: Any) -> None:
        """Put a leaf, which is no dict, or EMPTY, in its place.

        Raises:
          ValueError: if its place, or one on the way to it, is taken.
        """
        node = self.root
        for depth, name in enumerate(names[:-1], 1):
            if name not in node:
                node[name] = {}
            elif not (isinstance(node[name], dict) and node[name]):  # an empty dict is a leaf
                raise ValueError(f"{join(names[:depth])} is an array and holds {join(names)}")
            node = node[name]
        if names[-1] in node:
            raise ValueError(f"the name {join(names)} occurs twice")
        node[names[-1]] = {} if leaf is EMPTY else leaf


def joined(
    items: Iterable[tuple[Names, Leaf]], error: type[ValueError] = ValueError
) -> Iterator[tuple[str, Leaf]]:
    """Join the names of each item by `/`.

    Raises:
      error: if two joined names are the same.
    """
    taken: dict[str, Names] = {}
    for names, leaf in items:
        name = "/".join(map(str, names))
        if name in taken:
            raise error(f"two arrays would have the name {name!r}: {taken[name]} and {names}")
        taken[name] = names
        yield name, leaf


def join(names: Names) -> str:
    """Return names as a message shows them."""
    return repr("/".join(map(str, names))) if names else "the top level"


def _part(name: str | int) -> bytes:
    if isinstance(name, int):
        return bytes([_INTEGER]) + str(int(name)).encode()
    out = bytearray()
    for byte in name.encode():
        out += bytes([_LITERAL, byte]) if byte <= _NEXT_SEGMENT else bytes([byte])
    return bytes(out)


def _string(part: bytearray) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"the name {bytes(part)!r} is not UTF-8") from error


def _integer(part: bytearray) -> int:
    text = _string(part)
    number = int(text) if len(text) <= 20 and text.lstrip("-").isdecimal() else None
    if number is None or str(number) != text or not -(2**63) <= number < 2**64:
        raise FormatError(f"the name {text!r} is not an integer of 64 bits")
    return number
