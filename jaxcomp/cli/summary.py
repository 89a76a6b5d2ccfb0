"""Prints what `jaxcomp compress` says of the file that it made."""

import sys
from collections.abc import Iterable

from jaxcomp.checkpoints import Entry, part_of
from jaxcomp.compression import Compressed, Outcome, TensorChange
from jaxcomp.printable import printable

_MUCH = 0.5  # relative error from which on little is left of a tensor
_HIDDEN = 2  # factor to the relative error from which on the largest weights hide the others
_SHOWN = 5  # entries of a list that are shown


def summarize(before: int, done: Compressed) -> None:
    """Print what was made, what is not in it, and what was lost; warn if that is much.

    Args:
      before: bytes of the arrays in the file, before compression.
      done: the file.
    """
    after = done.file_bytes
    print(f"{before:,} bytes to {after:,} bytes, {before / after:.1f} times smaller")
    if done.left_out:
        _say(f"left out: {_some(_parts(done.left_out))}; --keep-state stores them too")
    if done.unit_axes:
        _say(f"output units are {_some(done.unit_axes)}")
    if done.remarks:
        _say(_some(done.remarks))
    if done.calibrated is not None:
        _say_of(done.calibrated)
    errors = [(_shown(t), t) for t in done.tensors]
    worst = sorted([one for one in errors if one[0]], key=lambda one: -one[0])
    if worst:
        tensors = _some(f"{t.name!r} {error:.2%}" for error, t in worst)
        _say(f"relative error {done.relative_error:.2%}; the largest: {tensors}")
    if done.calibrated is not None:
        return  # a large error of weights with little effect is intended
    much = [(error, t) for error, t in worst if error > _MUCH]
    for error, t in much:
        if not t.nonzeros:
            _warn(f"nothing is left of {t.name!r}: all of it is zero")
        elif error == t.relative_error:
            _warn(f"the relative error of {t.name!r} is {error:.0%}")
        else:
            _warn(f"the relative error of {t.name!r} without its largest weights is {error:.0%}")
    if much:
        _warn(
            "less is lost with more --bits or --codebook, --per-unit, --floor for --prune, or by "
            "--exclude NAME --keep-state, which stores a tensor exactly"
        )


def _say_of(found: Outcome) -> None:
    """Print the result of calibration."""
    _say(f"loss {found.lost:.3g}, {found.how}; a bit was worth {found.trade:.3g}")
    if found.data_free_bytes is None:
        _say("without the moments no setting of --bits is as good")
    elif found.is_calibrated:
        _say(f"without the moments it takes {found.data_free_bytes:,} bytes")
    else:
        _warn("the file without the moments was the better one, and is the one written")
    if found.diagonal:
        _say(f"diagonal moments: {_some(map(repr, found.diagonal))}")
    if found.not_calibrated:
        _say(f"no moments, and stored exactly: {_some(map(repr, found.not_calibrated))}")


def _say(text: str) -> None:
    print(printable(text))


def _shown(tensor: TensorChange) -> float:
    """Return the relative error, or that of the other weights if the largest hide it."""
    hidden = tensor.trimmed_error > _HIDDEN * tensor.relative_error
    return tensor.trimmed_error if hidden else tensor.relative_error


def _warn(text: str) -> None:
    print(printable(f"jaxcomp: warning: {text}"), file=sys.stderr)


def _parts(entries: Iterable[Entry]) -> list[str]:
    """Return the parts of a checkpoint that entries are in, and what each holds."""
    parts: dict[str, list[int]] = {}
    for entry in entries:
        parts.setdefault(part_of(entry.names), []).append(entry.nbytes)
    return [
        f"{part!r} ({len(sizes)} array{'s' if len(sizes) > 1 else ''}, {sum(sizes):,} bytes)"
        for part, sizes in parts.items()
    ]


def _some(texts: Iterable[str]) -> str:
    """Return the first few of a list, and how many more there are."""
    texts = list(texts)
    more = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return ", ".join(texts[:_SHOWN] + more)
