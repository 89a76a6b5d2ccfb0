"""The words of arguments are those of the tables that they choose from."""

from typing import get_args

import jax.numpy as jnp

from jaxcomp import choices
from jaxcomp.axes import of_layout
from jaxcomp.losses import group_norms
from jaxcomp.quantize import LEVELS


def test_every_level_is_in_the_table():
    assert get_args(choices.Level) == tuple(LEVELS)


def test_every_group_and_layout_is_understood():
    for groups in choices.GROUPS:
        assert group_norms(jnp.ones((2, 3)), groups).size
    for layout in choices.LAYOUTS:
        assert of_layout(layout, 2)
