"""What of a checkpoint is the network."""

import pytest

from jaxcomp.checkpoints import CheckpointError, check_any, of_network, part_of


def chosen(names, **options):
    found = of_network([tuple(name.split("/")) for name in names], **options)
    return [name for name, one in zip(names, found, strict=True) if one]


TRAINING = ["step", "params/k", "opt_state/0/mu/k", "batch_stats/bn/mean", "ema_params/k"]


@pytest.mark.parametrize("divider", ["/", "."])
def test_what_is_under_params(divider):
    names = [name.replace("/", divider) for name in TRAINING]
    assert chosen(names) == [names[1]]
    around = [f"state{divider}{name}" for name in names]
    assert chosen(around) == [around[1]]


def test_without_params_what_is_not_under_a_name_of_the_state():
    names = ["model/k", "opt_state/0/params/k", "ema/k", "batch_stats/mean", "step", "k"]
    assert chosen(names) == ["model/k", "k"]
    # Of the optimizer's state alone, and of a network with layers of such names, all is taken.
    for all_of_it in (["0/mu/k", "0/nu/k", "0/count"], ["encoder/layers/ema/k", "a/b/step/w"]):
        assert chosen(all_of_it) == all_of_it


def test_regular_expressions_choose_otherwise():
    assert chosen(TRAINING, only="^ema_params/") == ["ema_params/k"]
    assert chosen(TRAINING, only="k$", exclude="opt") == ["params/k", "ema_params/k"]
    assert chosen(TRAINING, exclude="k") == []
    with pytest.raises(ValueError, match=r"'\(' is not a regular expression"):
        of_network([("a",)], exclude="(")


def test_parts_have_the_names_of_the_state():
    names = [("opt_state", "0", "mu"), ("state", "step"), ("a.b.c",), ("w",)]
    assert list(map(part_of, names)) == ["opt_state", "state/step", "a", "w"]


def test_something_has_to_be_left():
    check_any([], [])
    check_any([("a",)], [True])
    with pytest.raises(CheckpointError, match=r"none of the 4 arrays, such as '0', '1', '2', is"):
        check_any([(i,) for i in range(4)], [False] * 4)
