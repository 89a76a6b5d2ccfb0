"""What the axes of a weight are: the units that it takes in, gives out, and is repeated over."""

from typing import NamedTuple


class Axes(NamedTuple):
    """The axes of one weight by their meaning; each axis is in at most one of the four.

    A dense kernel of Flax, [in, out], has `inputs=(0,)` and `outputs=(1,)`; one of attention, [d,
    heads, features], has `outputs=(1, 2)`; a convolution of Equinox, [out, in, height, width], has
    `outputs=(0,)`, `inputs=(1,)` and `window=(2, 3)`; the kernel of three layers that are scanned,
    [3, in, out], has `stack=(0,)`.
    """

    inputs: tuple[int, ...]  # contracted with the units that come in
    outputs: tuple[int, ...]  # the units that go out
    window: tuple[int, ...] = ()  # places of a convolution
    stack: tuple[int, ...] = ()  # separate matrices in one array
