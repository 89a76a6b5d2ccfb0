"""Holds what tracing finds out about a network."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from jaxcomp.axes import Axes
from jaxcomp.text_table import text_table
from jaxcomp.tracing import moments
from jaxcomp.tracing.program import Program
from jaxcomp.tracing.uses import CONTRACTIONS, ELEMENT, EMBEDDING, UNKNOWN, UNUSED, Use

PyTree = Any


class Parameter(NamedTuple):
    """Describes one leaf of the parameters, and how the network uses it."""

    shape: tuple[int, ...]
    use: str  # "dense", "convolution", "embedding", "elementwise", "unused" or "unknown"
    axes: Axes | None  # None if it has none, or they are not understood
    groups: int  # number of groups of a convolution, else 1
    # Number of operations in which it meets data. It hides `tuple.count`.
    count: int  # type: ignore[assignment]
    reason: str  # says to the user how it is used, or why that is not understood


class Network:
    """Holds the parameters of a traced function, by name, and the program that uses them.

    `jaxcomp.trace` makes it. `parameters` has a `Parameter` for each leaf, by its name. `weights`
    are the names of leaves that are contracted with data, in the order of their first use.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxcomp
      >>> params = {"kernel": jnp.ones((4, 3)), "bias": jnp.zeros((1, 3))}
      >>> def apply(params, x):
      ...     return x @ params["kernel"] + params["bias"]
      >>> network = jaxcomp.trace(apply, params, jnp.ones((1, 4)))
      >>> network.weights, network.parameters["bias"].use
      (('kernel',), 'elementwise')
    """

    def __init__(
        self,
        function: Callable[..., Any],
        structure: Any,
        names: Sequence[str],
        program: Program,
        uses: Sequence[Sequence[Use]],
    ) -> None:
        self.function = function
        self.structure = structure
        self.names = tuple(names)
        self.program = program
        self.parameters: Mapping[str, Parameter] = {
            name: _parameter(program.shapes[array].shape, own)
            for name, array, own in zip(names, program.parameters, uses, strict=True)
        }
        place = {operation.outputs: i for i, operation in enumerate(program.operations)}
        first = {
            name: min(
                place[use.operation.outputs]
                for use in own
                if use.operation and use.kind in CONTRACTIONS
            )
            for name, own in zip(names, uses, strict=True)
            if self.parameters[name].use in CONTRACTIONS
        }
        self.weights = tuple(sorted(first, key=first.__getitem__))

    def describe(self) -> str:
        """Return a table of all parameters: shape, use, and the meaning of each axis."""
        rows: list[tuple[str, ...]] = [
            ("parameter", "shape", "used as", "in", "out", "window", "stack", "times", "")
        ]
        for name, one in self.parameters.items():
            axes = one.axes or Axes((), ())
            kind = f"{one.use}, {one.groups} groups" if one.groups > 1 else one.use
            cells = (" ".join(map(str, own)) or "-" for own in axes)
            shape = " ".join(map(str, one.shape)) or "scalar"
            rows.append((name, shape, kind, *cells, str(one.count), one.reason))
        return text_table(rows, rule=True)

    def input_moments(
        self, params: PyTree, batches: Iterable[Any], *, diagonal: bool = False
    ) -> PyTree:
        r"""Return the mean second moments of the inputs of each weight.

        For a dense layer :math:`y = x W` this is :math:`E[x^T x]`; for a convolution, `x` are the
        patches. Rounding the weights by :math:`D` changes the outputs by
        :math:`\operatorname{tr}(D^T E[x^T x] D)` in the mean.

        Args:
          params: tree of arrays, as given to `jaxcomp.trace`.
          batches: inputs of the network; a tuple if it takes several. They may have another length
            than the traced ones, and be sharded over devices.
          diagonal: whether to return diagonals only, for layers too wide for a matrix.

        Returns:
          A tree like `params`, with a float32 array for each weight that is multiplied with data:
          [inputs, inputs], or [matrices, inputs, inputs] if it has stack axes or groups; diagonals
          are [..., inputs]. Other leaves are None, and so are weights that are not understood
          (`describe` says why) or computed from several parameters. Inputs are in the order of the
          weight: all of its axes except those of outputs and stack, in row-major order. The mean is
          over rows of inputs: examples times places, times uses if a weight is used several times.
          Memory holds the sum of `inputs^2`, and for a convolution the patches of one batch.

        Raises:
          ValueError: if there are no batches, or a `while` loop has no known number of steps.

        Example:
          >>> import jax.numpy as jnp
          >>> from jaxcomp.tracing import trace
          >>> params = {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros((1, 3))}
          >>> network = trace(lambda p, x: x @ p["kernel"] + p["bias"], params, jnp.ones((1, 2)))
          >>> batches = [jnp.array([[1.0, 2.0], [3.0, 0.0]])]
          >>> network.input_moments(params, batches)["kernel"].tolist()
          [[5.0, 1.0], [1.0, 2.0]]
        """
        return moments.input_moments(self, params, batches, diagonal)

    def leaves_of(self, params: PyTree) -> list[Any]:
        """Return the leaves of parameters that have the traced structure and shapes.

        Raises:
          ValueError: if the structure or a shape differs; the message names the leaf.
        """
        leaves, structure = jax.tree.flatten(params)
        if structure != self.structure:
            raise ValueError(
                f"the network was traced with parameters of the structure {self.structure}, got "
                f"{structure}: trace it again with these"
            )
        for name, leaf, (_, traced) in zip(
            self.names, leaves, self.parameters.items(), strict=True
        ):
            if tuple(leaf.shape) != traced.shape:
                raise ValueError(
                    f"{name!r} had shape {traced.shape} when the network was traced, now "
                    f"{tuple(leaf.shape)}: trace it again with these parameters"
                )
        return leaves


def _parameter(shape: tuple[int, ...], uses: Sequence[Use]) -> Parameter:
    """Return what several uses have in common."""
    if not uses:
        return Parameter(shape, UNUSED, None, 1, 0, "no output depends on it")
    count = len({use.operation[-1] if use.operation else None for use in uses})
    unknown = [use for use in uses if use.kind == UNKNOWN]
    if unknown:
        return Parameter(shape, UNKNOWN, None, 1, count, unknown[0].detail)
    contracted = [use for use in uses if use.kind in CONTRACTIONS]
    if not contracted:
        axes = _common([use.axes for use in uses])
        details = dict.fromkeys(use.detail for use in uses)
        return Parameter(shape, ELEMENT, axes, 1, count, "; ".join(details))
    # A table that is also multiplied, such as tied embeddings, is described by the product.
    main = [use for use in contracted if use.kind != EMBEDDING] or contracted
    axes = _common([use.axes for use in main])
    if axes is None:
        why = "one axis is contracted in one use and free in another"
        return Parameter(shape, UNKNOWN, None, 1, count, why)
    reasons = dict.fromkeys(use.detail for use in main)
    if len(main) < len(contracted):
        reasons["rows are looked up too"] = None
    if len(contracted) < len(uses):
        reasons.update(dict.fromkeys(use.detail for use in uses if use.kind == ELEMENT))
    reason = "; ".join(filter(None, reasons))
    return Parameter(shape, main[0].kind, axes, main[0].groups, count, reason)


def _common(axes: Sequence[Axes]) -> Axes | None:
    """Return the union of each role over all uses, or None if an axis has two roles."""
    union = Axes(*(tuple(sorted(set().union(*own))) for own in zip(*axes, strict=True)))
    every = [axis for own in union for axis in own]
    return union if len(every) == len(set(every)) else None
