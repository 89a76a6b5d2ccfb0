"""The words that arguments are chosen from: as types, and as errors list them."""

from typing import Literal, get_args

Scope = Literal["tensor", "global", "unit"]  # which weights a penalty takes for one vector
ArrayScope = Literal["tensor", "global"]  # of those, what leaves arrays whole
Groups = Literal["unit", "input", "filter"]  # of weights whose norms are penalized
Per = Literal["tensor", "unit"]  # what has levels of its own
Level = Literal["theorem", "least_squares"]  # how a level is fitted
Layout = Literal["flax", "torch"]  # on which axis output units are

SCOPES = get_args(Scope)
ARRAY_SCOPES = get_args(ArrayScope)
GROUPS = get_args(Groups)
PER = get_args(Per)
LAYOUTS = get_args(Layout)
