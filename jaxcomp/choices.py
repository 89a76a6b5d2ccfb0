"""Lists the words that an argument can be: as types, and as tuples for error messages."""

from typing import Literal, get_args

Scope = Literal["tensor", "global", "unit"]  # the weights that a penalty takes as one vector
ArrayScope = Literal["tensor", "global"]  # the scopes that leave arrays whole
Groups = Literal["unit", "input", "filter"]  # the weights that share a norm
Per = Literal["tensor", "unit"]  # the part of an array that has its own levels
Level = Literal["theorem", "least_squares"]  # the rule that fits a level
Layout = Literal["flax", "torch"]  # the framework that fixes the order of axes

SCOPES = get_args(Scope)
ARRAY_SCOPES = get_args(ArrayScope)
GROUPS = get_args(Groups)
PER = get_args(Per)
LAYOUTS = get_args(Layout)
