"""Few-valued arrays as levels (small integers) and a codebook of the values they stand for."""

import numpy as np

MAX_VALUES = 256  # levels fit one byte


def to_levels(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Split an array into levels and a codebook, exactly to the bit.

    Values are told apart by their bits: 0.0 and -0.0 are two values, and so are two NaNs with
    different payloads.

    Args:
      array: contiguous little-endian array of any shape.

    Returns:
      `levels`, uint8 of shape [n], and `codebook` of the array's type and shape [k], such that
      `codebook[levels]` are the entries in row-major order; or None if there are more than
      `MAX_VALUES` different values.
    """
    bits = array.reshape(-1).view(f"u{array.dtype.itemsize}")
    # A float tensor that was never quantised shows itself in its first few entries.
    if np.unique(bits[: 4 * MAX_VALUES]).size > MAX_VALUES:
        return None
    values, levels = np.unique(bits, return_inverse=True)
    if values.size > MAX_VALUES:
        return None
    return levels.astype(np.uint8), values.view(array.dtype)
