"""Lists the operations of a traced function, without nested programs.

`jax.make_jaxpr` returns programs that call programs: `jit`, `remat`, custom derivatives, loops,
branches. An analysis of a network needs the operations alone, in order. So calls are replaced by
their operations, and each step of a loop over stacked layers gets operations of its own. Of two
branches both are listed, with a selection between their results. Nothing is computed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Primitive, Var

# Each primitive has the one program that it calls under this parameter.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}
# This operation replaces a loop that is not unrolled: its results can be anything.
LOOP = "loop"
_MAX_OPERATIONS = 200_000


class Operation(NamedTuple):
    """Describes one operation on arrays, which are numbered."""

    primitive: Primitive | None  # None for `LOOP`
    name: str
    settings: dict[str, Any]  # settings of the primitive, such as `dimension_numbers`
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def results(self, *values: Any, **settings: Any) -> list[Any]:
        """Apply the primitive to values, and return all its results; `LOOP` has none."""
        assert self.primitive is not None
        found = self.primitive.bind(*values, **settings)
        return list(found) if self.primitive.multiple_results else [found]


class Program(NamedTuple):
    """Lists a function of parameters and inputs as operations."""

    operations: tuple[Operation, ...]
    shapes: tuple[jax.ShapeDtypeStruct, ...]  # shape of each array, by its number
    constants: dict[int, Any]  # arrays whose values are part of the program
    parameters: tuple[int, ...]  # arrays that are leaves of the parameters, in tree order
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def consumers(self) -> dict[int, list[Operation]]:
        """Return the operations that take each array; one that takes it twice is listed twice."""
        found: dict[int, list[Operation]] = {}
        for operation in self.operations:
            for array in operation.inputs:
                found.setdefault(array, []).append(operation)
        return found

    def without_data(self) -> set[int]:
        """Return the arrays that do not depend on any input of the function."""
        free = {*self.constants, *self.parameters}
        for operation in self.operations:
            if operation.name != LOOP and free.issuperset(operation.inputs):
                free.update(operation.outputs)
        return free


def flatten(closed: ClosedJaxpr, parameters: int, *, every_step: bool = False) -> Program:
    """Return the operations of a program and of everything that it calls, in order of execution.

    Operations that no result needs are dropped.

    Args:
      closed: what `jax.make_jaxpr` returns.
      parameters: number of its first arguments that are parameters.
      every_step: whether to unroll loops over time too. By default a `scan` is unrolled only if it
        runs over parameters, as the loop over stacked layers does. The body of another `scan`, and
        of a `while`, is listed once, between two operations `LOOP`.

    Raises:
      ValueError: if there are more than 200,000 operations, or if `every_step` meets a loop of an
        unknown number of steps.
    """
    builder = _Builder(every_step)
    arguments = [builder.new(var.aval) for var in closed.jaxpr.invars]
    builder.from_parameters.update(arguments[:parameters])
    outputs = builder.inline(closed, arguments)
    return _without_unused(
        Program(
            tuple(builder.operations),
            tuple(builder.shapes),
            builder.constants,
            tuple(arguments[:parameters]),
            tuple(arguments[parameters:]),
            tuple(outputs),
        )
    )


class _Builder:
    """Builds the list of operations."""

    def __init__(self, every_step: bool) -> None:
        self.every_step = every_step
        self.operations: list[Operation] = []
        self.shapes: list[jax.ShapeDtypeStruct] = []
        self.constants: dict[int, Any] = {}
        self.from_parameters: set[int] = set()  # arrays that follow from parameters alone

    def new(self, aval: Any) -> int:
        self.shapes.append(jax.ShapeDtypeStruct(aval.shape, aval.dtype))
        return len(self.shapes) - 1

    def constant(self, value: Any) -> int:
        aval = jax.typeof(value)
        number = self.new(aval)
        is_key = jax.dtypes.issubdtype(aval.dtype, jax.dtypes.extended)
        self.constants[number] = value if is_key else np.asarray(value, aval.dtype)
        return number

    def add(self, eqn: JaxprEqn, inputs: Sequence[int]) -> list[int]:
        if len(self.operations) >= _MAX_OPERATIONS:
            raise ValueError(
                f"the program has more than {_MAX_OPERATIONS:,} operations: trace it with inputs "
                "of fewer steps"
            )
        outputs = [self.new(var.aval) for var in eqn.outvars]
        self.operations.append(
            Operation(eqn.primitive, eqn.primitive.name, eqn.params, tuple(inputs), tuple(outputs))
        )
        known = self.from_parameters
        if inputs and all(i in known or i in self.constants for i in inputs):
            known.update(outputs if any(i in known for i in inputs) else ())
        return outputs

    def call(self, function: Callable[..., Any], *arrays: int) -> list[int]:
        """Append the operations of a function of arrays."""
        return self.inline(jax.make_jaxpr(function)(*(self.shapes[i] for i in arrays)), arrays)

    def inline(self, closed: ClosedJaxpr, arguments: Sequence[int]) -> list[int]:
        jaxpr = closed.jaxpr
        numbers: dict[Var, int] = dict(zip(jaxpr.invars, arguments, strict=True))
        for var, value in zip(jaxpr.constvars, closed.consts, strict=True):
            numbers[var] = self.constant(value)
        platform_indices: set[Var] = set()

        def read(atom: Any) -> int:
            return self.constant(atom.val) if isinstance(atom, Literal) else numbers[atom]

        for eqn in jaxpr.eqns:
            name = eqn.primitive.name
            if name == "platform_index":
                platform_indices.update(eqn.outvars)
                continue
            if name == "cond" and eqn.invars[0] in platform_indices:
                # All branches compute the same; the one for all platforms is the plainest.
                platforms = eqn.params["branches_platforms"]
                branch = platforms.index(None) if None in platforms else len(platforms) - 1
                chosen = eqn.params["branches"][branch]
                outputs = self.inline(chosen, [read(atom) for atom in eqn.invars[1:]])
            else:
                outputs = self._of(eqn, [read(atom) for atom in eqn.invars])
            numbers.update(zip(eqn.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _of(self, eqn: JaxprEqn, inputs: list[int]) -> list[int]:
        name = eqn.primitive.name
        if name in _CALLS:
            inner = eqn.params[_CALLS[name]]
            return self.inline(inner if hasattr(inner, "consts") else _closed(inner), inputs)
        if name == "cond":
            index, *operands = inputs
            cases = [self.inline(branch, operands) for branch in eqn.params["branches"]]
            return [
                self.call(jax.lax.select_n, index, *results)[0]
                for results in zip(*cases, strict=True)
            ]
        if name == "scan":
            return self._scan(eqn, inputs)
        if name == "while":
            return self._while(eqn, inputs)
        if name == "split":
            return self._split(eqn, inputs[0])
        if name == "optimization_barrier":
            return inputs
        return self.add(eqn, inputs)

    def _scan(self, eqn: JaxprEqn, inputs: list[int]) -> list[int]:
        settings = eqn.params
        body, length = settings["jaxpr"], settings["length"]
        first, carried = _fixed_and_carried(settings)
        last = first + carried
        fixed, carry, stacked = inputs[:first], inputs[first:last], inputs[last:]
        if not (self.every_step or any(array in self.from_parameters for array in stacked)):
            return self._loop(body, fixed, [*carry, *stacked], eqn.outvars)
        results: list[list[int]] = []
        steps = range(length)
        for step in reversed(steps) if settings["reverse"] else steps:
            slices = [
                self.call(lambda x, step=step: jax.lax.index_in_dim(x, step, 0, False), array)[0]
                for array in stacked
            ]
            outputs = self.inline(body, [*fixed, *carry, *slices])
            carry = outputs[: len(carry)]
            results.append(outputs[len(carry) :])
        if settings["reverse"]:
            results.reverse()
        stacks = [
            self.call(lambda *parts: jax.numpy.stack(parts), *parts)[0]
            for parts in zip(*results, strict=True)
        ]
        return [*carry, *stacks]

    def _split(self, eqn: JaxprEqn, array: int) -> list[int]:
        """Append a slice for each part."""
        sizes, axis = eqn.params["sizes"], eqn.params["axis"]
        ends = np.cumsum(sizes)
        return [
            self.call(
                lambda x, start=end - size, end=end: jax.lax.slice_in_dim(x, start, end, axis=axis),
                array,
            )[0]
            for size, end in zip(sizes, ends, strict=True)
        ]

    def _while(self, eqn: JaxprEqn, inputs: list[int]) -> list[int]:
        if self.every_step:
            raise ValueError("a while loop has no known number of steps: use a scan")
        settings = eqn.params
        first = settings["cond_nconsts"]
        last = first + settings["body_nconsts"]
        fixed, carry = inputs[first:last], inputs[last:]
        start = self._opaque([*inputs[:first], *carry], [var.aval for var in eqn.outvars])
        done = self.inline(settings["cond_jaxpr"], [*inputs[:first], *start])
        after = self.inline(settings["body_jaxpr"], [*fixed, *start])
        return self._opaque([*done, *after], [var.aval for var in eqn.outvars])

    def _loop(
        self,
        body: ClosedJaxpr,
        fixed: list[int],
        others: list[int],
        outvars: Sequence[Var],
    ) -> list[int]:
        """List the body once, for a step whose state and inputs can be anything."""
        avals = [var.aval for var in body.jaxpr.invars[len(fixed) :]]
        start = self._opaque(others, avals)
        after = self.inline(body, [*fixed, *start])
        return self._opaque(after, [var.aval for var in outvars])

    def _opaque(self, inputs: Sequence[int], avals: Sequence[Any]) -> list[int]:
        outputs = [self.new(aval) for aval in avals]
        self.operations.append(Operation(None, LOOP, {}, tuple(inputs), tuple(outputs)))
        return outputs


def _closed(jaxpr: Jaxpr) -> ClosedJaxpr:
    return ClosedJaxpr(jaxpr, ())


def _without_unused(program: Program) -> Program:
    """Drop the operations that no output needs."""
    needed = set(program.outputs)
    kept = []
    for operation in reversed(program.operations):
        if any(array in needed for array in operation.outputs):
            needed.update(operation.inputs)
            kept.append(operation)
    return program._replace(operations=tuple(reversed(kept)))


def _fixed_and_carried(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many inputs of a scan are the same in each step, and how many are carried."""
    if "num_consts" in settings:
        return settings["num_consts"], settings["num_carry"]
    fixed, carried, _ = settings["ft_in"].unpack()  # newer versions of JAX have this
    return len(fixed), len(carried)
