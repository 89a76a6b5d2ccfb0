"""The traced network of regression."""

import pytest

import jaxcomp
from tests.recipe.regression import INPUTS, apply, start


@pytest.fixture(scope="module")
def network():
    return jaxcomp.trace(apply, start(), INPUTS[:1])
