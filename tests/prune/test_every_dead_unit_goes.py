"""Networks in which one unit is dead: all of it becomes zero, whatever the layer."""

import functools

import jax
import numpy as np
import pytest

import jaxcomp
from jaxcomp.prune import remove_dead_units
from jaxcomp.trees import named_leaves, path_name
from tests.prune.networks import linen, others
from tests.prune.networks.units import MORE_NETWORKS, UNITS

KINDS = linen.kinds() | others.kinds() | MORE_NETWORKS
CASES = [(name, way) for name, unit in UNITS.items() for way in unit.ways.split()]


@functools.cache
def traced(name):
    """A network, its parameters without zeros, and what is left of them."""
    kind = KINDS[name]()
    network = jaxcomp.trace(kind.apply, kind.params, *kind.inputs)
    params = without_zeros(kind.params)
    return network, params, remove_dead_units(params, network)


def without_zeros(params):
    """All entries positive, so that no unit is dead by an activation."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.uniform(0.1, 1, leaf.shape).astype(leaf.dtype), params)


def zeroed(params, places, weights_alone=False):
    """The same with zeros at an index of each named parameter."""

    def change(path, leaf):
        name = path_name(path)
        if name not in places or (weights_alone and not name.endswith(("kernel", "weight"))):
            return leaf
        leaf = leaf.copy()
        assert leaf[places[name]].size
        leaf[places[name]] = 0
        return leaf

    return jax.tree_util.tree_map_with_path(change, params)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_dead_unit_goes(name, way):
    unit = UNITS[name]
    network, params, whole = traced(unit.network)
    for parameter, leaf in named_leaves(whole.params).items():
        # Biases and running means can be folded into later ones.
        assert np.all(leaf) or parameter.endswith(("bias", "mean")), parameter
    if way == "out":
        given, gone = zeroed(params, unit.out), unit.into
    elif way == "in":
        given, gone = zeroed(params, unit.into), unit.out
    else:
        given, gone = zeroed(params, unit.into, weights_alone=True), unit.into | unit.out
    left = named_leaves(remove_dead_units(given, network).params)
    for parameter, index in gone.items():
        assert not np.any(left[parameter][index]), parameter
    # Nothing else goes but what the network without any zeros can spare.
    for parameter, before in named_leaves(whole.params).items():
        expected = np.count_nonzero(before)
        for places in (unit.into, unit.out):
            if parameter in places:
                expected -= np.count_nonzero(before[places[parameter]])
        assert np.count_nonzero(left[parameter]) >= expected, parameter
