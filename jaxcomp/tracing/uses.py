"""Finds how a program uses its parameters: what multiplies what, along which axes.

Each array that follows from parameters alone carries, for each of its axes, the axes of the
parameters that it runs along. A use is an operation in which such an array meets data: its
contracted axes are inputs, its free axes are outputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from jaxcomp.axes import Axes
from jaxcomp.tracing.primitives import ELEMENTWISE, LINEAR, REDUCTIONS, reshape_groups
from jaxcomp.tracing.program import LOOP, Operation, Program

Place = tuple[int, int]  # position of a parameter in tree order, and one of its axes

DENSE, CONVOLUTION, EMBEDDING = "dense", "convolution", "embedding"
ELEMENT, UNUSED, UNKNOWN = "elementwise", "unused", "unknown"
CONTRACTIONS = (DENSE, CONVOLUTION, EMBEDDING)


class Use(NamedTuple):
    """Describes one operation in which a parameter meets data."""

    kind: str  # one of the constants above
    axes: Axes
    groups: int  # groups of a convolution
    detail: str  # text for the user
    operation: Operation | None
    operand: int  # place of the parameter among the inputs of the operation


class _Derived(NamedTuple):
    """Describes an array that follows from parameters alone."""

    axes: tuple[frozenset[Place], ...]  # the places that each of its axes runs along
    linear: frozenset[int]  # parameters that enter linearly on some way
    curved: Mapping[int, str]  # the other parameters, with the nonlinear function
    indexed: frozenset[Place]  # axes of which one index was taken
    inner: frozenset[Place]  # axes that were contracted with another parameter

    @property
    def parameters(self) -> set[int]:
        return set(self.linear) | set(self.curved)


def uses_of(program: Program) -> list[list[Use]]:
    """Return for each parameter, in tree order, how the program uses it."""
    return _Reader(program).read()


class _Reader:
    """Reads a program once, from its first operation to its last."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.without_data = program.without_data()
        self.derived: dict[int, _Derived] = {}
        self.uses: list[list[Use]] = [[] for _ in program.parameters]

    def read(self) -> list[list[Use]]:
        for leaf, array in enumerate(self.program.parameters):
            shape = self.program.shapes[array].shape
            own = tuple(frozenset({(leaf, axis)}) for axis in range(len(shape)))
            self.derived[array] = _Derived(own, frozenset({leaf}), {}, frozenset(), frozenset())
        for operation in self.program.operations:
            if any(array in self.derived for array in operation.inputs):
                self._read(operation)
        for array in self.program.outputs:
            if array in self.derived:
                self._note(self.derived[array], ELEMENT, "is given out as it is", None, 0)
        return self.uses

    def _read(self, operation: Operation) -> None:
        if not self.without_data.issuperset(operation.outputs):
            self._meets_data(operation)
            return
        result = self._derive(operation)
        if result is not None:
            self.derived.update(dict.fromkeys(operation.outputs, result))
            return
        for place, array in enumerate(operation.inputs):
            if array in self.derived:
                why = f"goes through `{operation.name}`, which is not understood"
                self._note(self.derived[array], UNKNOWN, why, operation, place)

    # These methods follow arrays of parameters alone.

    def _derive(self, operation: Operation) -> _Derived | None:
        parts = [(i, self.derived.get(array)) for i, array in enumerate(operation.inputs)]
        parts = [(i, part) for i, part in parts if part is not None]
        axes = self._axes_after(operation, parts)
        if axes is None:
            return None
        linear: set[int] = set()
        curved: dict[int, str] = {}
        dropped: set[Place] = set()
        inner: set[Place] = set()
        straight = operation.name in LINEAR or operation.name not in ELEMENTWISE
        for _, part in parts:
            curved.update(part.curved)
            if straight:
                linear |= part.linear
            else:
                curved.update(dict.fromkeys(part.linear, operation.name))
            dropped |= part.indexed
            inner |= part.inner
        for leaf in linear:
            curved.pop(leaf, None)
        if operation.name in ("slice", "dynamic_slice", "gather"):
            dropped |= _gone(parts[0][1], axes)
        if operation.name == "dot_general":
            inner |= set().union(*(_gone(part, axes) for _, part in parts))
        return _Derived(axes, frozenset(linear), curved, frozenset(dropped), frozenset(inner))

    def _axes_after(
        self, operation: Operation, parts: Sequence[tuple[int, _Derived]]
    ) -> tuple[frozenset[Place], ...] | None:
        name, settings = operation.name, operation.settings
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        after = self.program.shapes[operation.outputs[0]].shape
        empty: list[frozenset[Place]] = [frozenset()] * len(after)
        first = parts[0][1].axes
        if name in ELEMENTWISE:
            merged = list(empty)
            for place, part in parts:
                for axis, own in enumerate(part.axes):
                    if shapes[place][axis] == after[axis]:
                        merged[axis] = merged[axis] | own
            return tuple(merged)
        if name == "transpose":
            return tuple(first[axis] for axis in settings["permutation"])
        if name == "broadcast_in_dim":
            for axis, target in enumerate(settings["broadcast_dimensions"]):
                if shapes[parts[0][0]][axis] == after[target]:
                    empty[target] = first[axis]
            return tuple(empty)
        if name == "reshape":
            for left, right in reshape_groups(shapes[0], after):
                for axis in right:
                    empty[axis] = frozenset().union(*(first[i] for i in left))
            return tuple(empty)
        if name == "squeeze":
            kept = set(range(len(first))) - set(settings["dimensions"])
            return tuple(first[axis] for axis in sorted(kept))
        if name in REDUCTIONS:
            return tuple(own for axis, own in enumerate(first) if axis not in settings["axes"])
        if name in ("slice", "dynamic_slice"):
            before = shapes[parts[0][0]]
            return tuple(
                frozenset() if after[axis] == 1 < before[axis] else own
                for axis, own in enumerate(first)
            )
        if name in ("rev", "pad", "split"):
            return first
        if name == "concatenate":
            return tuple(
                frozenset().union(*sets) for sets in zip(*(p.axes for _, p in parts), strict=True)
            )
        if name == "stack":
            joined = [
                frozenset().union(*sets) for sets in zip(*(p.axes for _, p in parts), strict=True)
            ]
            joined.insert(settings["axis"], frozenset())
            return tuple(joined)
        if name == "dot_general":
            return self._product(operation)
        return None

    def _product(self, operation: Operation) -> tuple[frozenset[Place], ...]:
        """Return the axes of a product of two parameters: batch axes, then free axes."""
        contracted, batch = operation.settings["dimension_numbers"]
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        sides = [
            self.derived[array].axes
            if array in self.derived
            else (frozenset(),) * len(shapes[place])
            for place, array in enumerate(operation.inputs)
        ]
        result = [one | other for one, other in zip(*_picked(sides, batch), strict=True)]
        for side, own, shared in zip(sides, contracted, batch, strict=True):
            result += [s for axis, s in enumerate(side) if axis not in (*own, *shared)]
        return tuple(result)

    # These methods note where parameters meet data.

    def _meets_data(self, operation: Operation) -> None:
        for place, array in enumerate(operation.inputs):
            part = self.derived.get(array)
            if part is None:
                continue
            name = operation.name
            if name == "dot_general":
                self._contracted(operation, place, part)
            elif name == "conv_general_dilated" and place == 1:
                self._convolved(operation, part)
            elif name == "gather" and place == 0:
                self._looked_up(operation, part)
            elif name == "dynamic_slice" and place == 0:
                self._looked_up_by_slice(operation, part)
            elif name in ELEMENTWISE or name in ("concatenate", "stack", "pad", LOOP):
                self._note(part, ELEMENT, _elementwise(name), operation, place)
            else:
                why = f"goes into `{name}` with data, which is not understood"
                self._note(part, UNKNOWN, why, operation, place)

    def _contracted(self, operation: Operation, place: int, part: _Derived) -> None:
        contracted, batch = (pair[place] for pair in operation.settings["dimension_numbers"])
        if not contracted:
            self._note(part, ELEMENT, "multiplies data", operation, place)
            return
        free = [a for a in range(len(part.axes)) if a not in (*contracted, *batch)]
        roles = {"inputs": contracted, "outputs": free, "stack": batch}
        self._contract(DENSE, roles, 1, operation, place, part)

    def _convolved(self, operation: Operation, part: _Derived) -> None:
        out, into, *window = operation.settings["dimension_numbers"].rhs_spec
        groups = operation.settings["feature_group_count"]
        roles = {"inputs": [into], "outputs": [out], "window": window}
        self._contract(CONVOLUTION, roles, groups, operation, 1, part)

    def _looked_up(self, operation: Operation, part: _Derived) -> None:
        numbers = operation.settings["dimension_numbers"]
        looked_up = set(numbers.start_index_map) & set(numbers.collapsed_slice_dims)
        rest = [axis for axis in range(len(part.axes)) if axis not in looked_up]
        roles = {"inputs": sorted(looked_up), "outputs": rest}
        self._contract(EMBEDDING, roles, 1, operation, 0, part)

    def _looked_up_by_slice(self, operation: Operation, part: _Derived) -> None:
        before = self.program.shapes[operation.inputs[0]].shape
        sizes = operation.settings["slice_sizes"]
        moved = [axis for axis, size in enumerate(before) if sizes[axis] != size]
        rest = [axis for axis in range(len(before)) if axis not in moved]
        self._contract(EMBEDDING, {"inputs": moved, "outputs": rest}, 1, operation, 0, part)

    def _contract(
        self,
        kind: str,
        roles: Mapping[str, Iterable[int]],
        groups: int,
        operation: Operation,
        place: int,
        part: _Derived,
    ) -> None:
        """Note a use for each parameter whose axes are contracted; the others only shape it."""
        inputs = frozenset().union(*(part.axes[axis] for axis in roles["inputs"]))
        candidates = {leaf for leaf, _ in inputs}
        # The inputs of one factor of a kernel are contracted; the other factor is free there.
        candidates |= {leaf for leaf, _ in part.inner}
        main = candidates & part.linear or candidates
        for leaf in sorted(part.parameters):
            if leaf not in main:
                how = part.curved.get(leaf)
                why = f"shapes another weight by `{how}`" if how else "scales another weight"
                self._note_one(leaf, part, ELEMENT, why, operation, place)
                continue
            found = {
                role: {axis for a in axes for owner, axis in part.axes[a] if owner == leaf}
                for role, axes in roles.items()
            }
            found.setdefault("stack", set()).update(
                axis for owner, axis in part.indexed if owner == leaf
            )
            self._add(leaf, kind, found, groups, part.curved.get(leaf), operation, place)

    def _add(
        self,
        leaf: int,
        kind: str,
        roles: dict[str, set[int]],
        groups: int,
        curved: str | None,
        operation: Operation,
        place: int,
    ) -> None:
        shape = self.program.shapes[self.program.parameters[leaf]].shape
        taken = set().union(*roles.values())
        rest = {axis for axis in range(len(shape)) if axis not in taken and shape[axis] > 1}
        # Axes that were contracted with another parameter lie on the side that this one lacks.
        if rest and not roles["outputs"]:
            roles["outputs"] = rest
        elif rest and not roles["inputs"]:
            roles["inputs"] = rest
        elif rest:
            roles["stack"] |= rest
        twice = [axis for axis in taken if sum(axis in axes for axes in roles.values()) > 1]
        if twice:
            why = f"axis {twice[0]} is both contracted and free"
            use = Use(UNKNOWN, Axes((), ()), 1, why, operation, place)
        else:
            names = ("inputs", "outputs", "window", "stack")
            axes = Axes(*(tuple(sorted(roles.get(name, ()))) for name in names))
            detail = f"enters by `{curved}`" if curved else ""
            use = Use(kind, axes, groups, detail, operation, place)
        self.uses[leaf].append(use)

    def _note(
        self, part: _Derived, kind: str, detail: str, operation: Operation | None, place: int
    ) -> None:
        for leaf in sorted(part.parameters):
            self._note_one(leaf, part, kind, detail, operation, place)

    def _note_one(
        self,
        leaf: int,
        part: _Derived,
        kind: str,
        detail: str,
        operation: Operation | None,
        place: int,
    ) -> None:
        shape = self.program.shapes[self.program.parameters[leaf]].shape
        own = {a for axes in part.axes for owner, a in axes if owner == leaf and shape[a] > 1}
        stack = {axis for owner, axis in part.indexed if owner == leaf}
        axes = Axes((), tuple(sorted(own - stack)), (), tuple(sorted(stack)))
        self.uses[leaf].append(Use(kind, axes, 1, detail, operation, place))


def _gone(part: _Derived, axes: Sequence[frozenset[Place]]) -> set[Place]:
    """Return the places of an argument that the result no longer runs along."""
    return set().union(*part.axes) - set().union(*axes)


def _picked(
    sides: Sequence[Sequence[frozenset[Place]]], axes: Sequence[Sequence[int]]
) -> list[list[frozenset[Place]]]:
    return [[side[axis] for axis in own] for side, own in zip(sides, axes, strict=True)]


def _elementwise(name: str) -> str:
    words: Mapping[str, str] = {
        "add": "is added to data",
        "sub": "is added to data",
        "mul": "multiplies data",
        "div": "multiplies data",
        "concatenate": "is joined with data",
        LOOP: "is the start of a loop's state",
    }
    return words.get(name, f"meets data in `{name}`")
