"""Measures how much a loss depends on each output of the weights of a network.

The program is evaluated with a zero added to each product with weights. The derivative with respect
to that zero is the derivative with respect to the product.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing.lookups import lookups_of
from jaxcomp.tracing.moments import evaluate, program_of, shapes_of
from jaxcomp.tracing.rows import rows_of

if TYPE_CHECKING:
    from jaxcomp.tracing.network import Network

PyTree = Any
Found = TypeVar("Found")
# A confident softmax has derivatives of nearly zero, and shows of no unit that it matters. At this
# temperature it does: on a dense LeNet-300-100, files of equal divergence are a third smaller.
_TEMPERATURE = 4.0

MOST_OUTPUTS = 4096

Loss = Callable[[PyTree, Any], jax.Array]  # from outputs and targets to the loss of each prediction


class Sensitivities(NamedTuple):
    """Holds products of derivatives of the loss, summed over rows, in the mean over predictions.

    Both are float64, by the position of the parameter in tree order.
    """

    # Products of derivatives by outputs, [matrices, outputs, outputs]; only squares, [matrices,
    # outputs], for more outputs than `MOST_OUTPUTS`.
    products: dict[int, np.ndarray]
    # Squares for entries that are looked up, summed over outputs, [inputs], and inputs, [outputs].
    lookups: dict[int, tuple[np.ndarray, np.ndarray]]


def output_sensitivities(
    network: "Network",
    params: PyTree,
    batches: Iterable[tuple[tuple[Any, ...], Any]],
    loss: Loss | None,
    key: jax.Array,
) -> Sensitivities:
    """Return how much the loss depends on the outputs of the weights of a network.

    Args:
      network: the traced network.
      params: its parameters.
      batches: pairs of the inputs of the network, a tuple, and the targets of the loss.
      loss: function of outputs and targets. By default it is the cross-entropy of labels that are
        drawn from the softmax of the outputs over a temperature of 4; its squared derivatives are
        Fisher's information.
      key: random key of these draws.
    """
    passes: dict[Any, Callable[..., Any]] = {}
    total: Any = None
    predictions = 0.0
    for inputs, targets in batches:
        key, own = jax.random.split(key)
        shapes = shapes_of((inputs, targets))
        if shapes not in passes:
            passes[shapes] = jax.jit(_one_pass(network, params, inputs, loss))
        sums, count = passes[shapes](params, inputs, targets, own)
        predictions += float(count)
        if not float(count):
            raise ValueError("a batch has no predictions: leave it out")
        sums = jax.tree.map(lambda own: np.asarray(own, np.float64), sums)
        total = sums if total is None else jax.tree.map(np.add, total, sums)
    if not all(np.isfinite(own).all() for own in jax.tree.leaves(total)):
        raise ValueError("derivatives of the loss are not finite: look at it and at the outputs")
    return Sensitivities(*jax.tree.map(lambda own: own / predictions, total))


def _one_pass(
    network: "Network", params: PyTree, inputs: tuple[Any, ...], loss: Loss | None
) -> Callable[..., Any]:
    program = program_of(network, params, inputs)

    def of_floats(all_found: dict[tuple[int, ...], Found]) -> dict[tuple[int, ...], Found]:
        return {
            outputs: found
            for outputs, found in all_found.items()
            if jnp.issubdtype(program.shapes[outputs[0]].dtype, jnp.floating)
        }

    meetings = of_floats(rows_of(network, program))
    lookups = of_floats(lookups_of(network, program))
    structure = jax.tree.structure(jax.eval_shape(network.function, params, *inputs))
    places = {outputs[0] for outputs in (*meetings, *lookups)}
    shapes = {place: program.shapes[place] for place in places}

    def run(params: PyTree, inputs: tuple[Any, ...], targets: Any, key: jax.Array) -> Any:
        def of_changes(changes: dict[int, jax.Array]) -> tuple[jax.Array, Any]:
            arguments: dict[tuple[int, ...], Any] = {}

            def add(operation: Any, values: Any, results: Any) -> Any:
                if operation.outputs in lookups:
                    arguments[operation.outputs] = values
                change = changes.get(operation.outputs[0])
                return results if change is None else [results[0] + change, *results[1:]]

            outputs = jax.tree.unflatten(structure, evaluate(program, params, inputs, add))
            each = _drawn_cross_entropy(outputs, key) if loss is None else loss(outputs, targets)
            return jnp.sum(each), (jnp.asarray(float(np.size(each))), arguments)

        zeros = {place: jnp.zeros(one.shape, one.dtype) for place, one in shapes.items()}
        derivatives, (count, arguments) = jax.grad(of_changes, has_aux=True)(zeros)
        derivatives = {place: own.astype(jnp.float32) for place, own in derivatives.items()}
        products: dict[int, jax.Array] = {}
        for outputs, all_rows in meetings.items():
            for rows in all_rows:
                own = rows.outs(derivatives[outputs[0]])
                found = (
                    rows.sum_of_products_of_outputs(own)
                    if rows.outputs <= MOST_OUTPUTS
                    else rows.sum_of_outputs(jnp.square(own))
                )
                _add(products, rows.leaf, found)
        looked_up: dict[int, tuple[jax.Array, jax.Array]] = {}
        for outputs, all_lookups in lookups.items():
            for lookup in all_lookups:
                squares = jnp.square(derivatives[outputs[0]])
                found = lookup.sums(arguments[outputs], squares)
                _add(looked_up, lookup.leaf, found)
        return (products, looked_up), count

    return run


def _add(sums: dict[int, Any], leaf: int, found: Any) -> None:
    sums[leaf] = jax.tree.map(jnp.add, sums[leaf], found) if leaf in sums else found


def _drawn_cross_entropy(logits: jax.Array, key: jax.Array) -> jax.Array:
    logits = logits.astype(jnp.float32) / _TEMPERATURE
    labels = jax.random.categorical(key, jax.lax.stop_gradient(logits))
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)[..., 0]
