"""Axes to draw on."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)
