"""Fits the values of a codebook, or a step, to levels by least squares."""

from collections.abc import Iterable

import numpy as np

from jaxcomp.quantize.factors import Factor, products_of


def fit_values(
    w: np.ndarray, parts: Iterable[np.ndarray], inputs: Factor, outputs: Factor
) -> np.ndarray:
    """Return the coefficients with which the sum of parts acts most like the weights.

    Args:
      w: float64 [matrices, inputs, outputs].
      parts: arrays like `w`, such as ones where a weight has some level.
      inputs: factor of the moments of inputs.
      outputs: factor of the moments of the loss.

    Returns:
      float64 [parts]; zero for a part without effect.
    """
    rows = np.stack([products_of(part, inputs, outputs).ravel() for part in parts])
    return np.linalg.lstsq(rows @ rows.T, rows @ products_of(w, inputs, outputs).ravel())[0]
