"""Values of a codebook, or a step, that fit to levels by least squares."""

from collections.abc import Iterable

import numpy as np

from jaxcomp.quantize.factors import Factor, products_of


def fit_values(
    w: np.ndarray, parts: Iterable[np.ndarray], inputs: Factor, outputs: Factor
) -> np.ndarray:
    """Return the factors of parts whose sum is nearest to weights in what it does.

    Args:
      w: float64 [matrices, inputs, outputs].
      parts: arrays like `w`, such as ones where a weight has some level.
      inputs: factor of the moments of inputs.
      outputs: factor of those of the loss.

    Returns:
      float64 [parts]; zero for a part that does nothing.
    """
    rows = np.stack([products_of(part, inputs, outputs).ravel() for part in parts])
    return np.linalg.lstsq(rows @ rows.T, rows @ products_of(w, inputs, outputs).ravel())[0]
