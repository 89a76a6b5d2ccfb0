"""Chooses the coder: compiled loops pay where there is much to code, if numba is there.

Importing numba takes half a second. Compiling takes some 20 s the first time; the result is kept on
disk.
"""

import functools
import sys
import threading

from jaxcomp.codec.coder import Decoder, Encoder

_MUCH = 2**24  # coding so many entries without numba takes about as long as importing it

_entries = 0  # the entries that this process has coded
_lock = threading.Lock()


def coders(entries: int) -> tuple[type[Encoder], type[Decoder]]:
    """Return the encoder and the decoder for so many more entries; bytes never differ."""
    global _entries
    with _lock:
        _entries += entries
    if _entries < _MUCH and "numba" not in sys.modules:
        return Encoder, Decoder
    return _compiled() or (Encoder, Decoder)


@functools.cache
def _compiled() -> tuple[type[Encoder], type[Decoder]] | None:
    try:
        from jaxcomp.codec.compiled import CompiledDecoder, CompiledEncoder
    # numba is missing, does not fit this version of NumPy, or has no folder for compiled code.
    except (ImportError, RuntimeError):
        return None
    return CompiledEncoder, CompiledDecoder
