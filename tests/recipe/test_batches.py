"""Batches from a step on."""

import itertools

import pytest

from jaxcomp.recipe.batches import Source


@pytest.mark.parametrize("step", [0, 2, 3, 10])
def test_lists_begin_again_and_functions_are_asked_for_the_step(step):
    expected = [(step + i) % 3 for i in range(5)]
    for batches in ([0, 1, 2], lambda i: i % 3, itertools.cycle([0, 1, 2])):
        assert list(itertools.islice(Source(batches).from_step(step), 5)) == expected


def test_the_next_phase_goes_on_where_the_last_one_ended():
    for batches in (itertools.count(), lambda i: i, list(range(20))):
        source = Source(batches)
        for first, count in ((0, 3), (3, 2), (9, 4)):  # of the last, four steps are resumed
            given = list(itertools.islice(source.from_step(first), count))
            assert given == list(range(first, first + count))


def test_what_ends_or_is_no_source_is_refused():
    source = Source(iter([0, 1])).from_step(0)
    assert [next(source), next(source)] == [0, 1]
    with pytest.raises(ValueError, match="the batches ended after 2: give a list"):
        next(source)
    with pytest.raises(ValueError, match="ended after 0"):
        next(Source([]).from_step(0))
    with pytest.raises(TypeError, match="a function of the step or an iterable, got int"):
        Source(5)
