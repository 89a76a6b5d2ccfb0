"""Which coder to use: compiled loops pay where there is much to code, if numba is there.

To import numba takes half a second; what it compiles, some 20 s the first time, is kept on disk.
"""

import functools
import sys
import threading

from jaxcomp.codec.coder import Decoder, Encoder

_MUCH = 2**24  # entries that take about as long without numba as to import it

_entries = 0  # that this process has coded
_lock = threading.Lock()


def coders(entries: int) -> tuple[type[Encoder], type[Decoder]]:
    """Return the encoder and the decoder to use for some more entries; bytes are the same."""
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
    # It is not there, not for this version of NumPy, or has no folder for what it compiles.
    except (ImportError, RuntimeError):
        return None
    return CompiledEncoder, CompiledDecoder
