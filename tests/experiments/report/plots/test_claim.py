"""The figure of the claim shows what is in its record."""

import numpy as np

from experiments.report.plots.claim import claim_figure

PENALTIES = ("none", "l2", "l1", "l1/l2 global", "l1/l2 per tensor", "l1/l2 global + 100 c")
KEYS = ("lit_live", "lit_ternary_distance", "lit_nonzero_entropy", "validation_accuracy")


def setting(penalty, live):
    end = {key: {"mean": 0.5, "low": 0.4, "high": 0.7} for key in KEYS}
    end["lit_live"] = {"mean": live, "low": live, "high": live}
    curve = {key: [0.1, 0.2] for key in KEYS}
    return {"penalty": penalty, "weight": 1.0, "step": [0, 5], "curve": curve, "end": end}


def test_penalties_that_are_not_known_have_styles_of_their_own():
    penalties = [*PENALTIES, "a new one", "another"]
    figure = claim_figure({"settings": [setting(penalty, 10.0) for penalty in penalties]})
    ends, curves = [c.lines[0] for c in figure.axes[0].containers], figure.axes[3].lines
    for looks in (ends, curves):
        # Without color, too.
        styles = {(one.get_linestyle(), one.get_marker()) for one in looks}
        assert len(styles) == len(penalties)


def test_every_setting_is_a_point_with_its_interval():
    record = {"settings": [setting(p, live) for p in PENALTIES for live in (10.0, 20.0)]}
    figure = claim_figure(record)
    first = figure.axes[0].containers[0]
    np.testing.assert_array_equal(first.lines[0].get_xydata(), [[10, 0.5], [20, 0.5]])
    np.testing.assert_allclose(first.lines[2][0].get_segments()[0][:, 1], [0.4, 0.7])
    assert len(figure.axes[0].containers) == len(PENALTIES)
    assert len(figure.axes[3].lines) == len(PENALTIES)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(PENALTIES)
