"""Turns weights into a `.jxc` file in one call, from the weights alone or with calibration data."""

from jaxcomp.compression.arrays import TensorChange
from jaxcomp.compression.calibrated import Outcome
from jaxcomp.compression.calibration import Calibration
from jaxcomp.compression.collect import save_moments
from jaxcomp.compression.moments_file import Moments
from jaxcomp.compression.one_shot import Compressed, compress

__all__ = [
    "Calibration",
    "Compressed",
    "Moments",
    "Outcome",
    "TensorChange",
    "compress",
    "save_moments",
]
