"""How much a loss depends on each output of the weights of a network.

The program is evaluated with a zero added to each product with weights; the derivative with respect
to it is that with respect to the product.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing.moments import evaluate, program_of, shapes_of
from jaxcomp.tracing.rows import rows_of

if TYPE_CHECKING:
    from jaxcomp.tracing.network import Network

PyTree = Any
# A confident softmax has derivatives of nearly zero, and says of no unit that it matters. At this
# temperature it does: on a dense LeNet-300-100, files of equal divergence are a third smaller.
_TEMPERATURE = 4.0

Loss = Callable[[PyTree, Any], jax.Array]  # of outputs and targets, for each prediction


def output_sensitivities(
    network: "Network",
    params: PyTree,
    batches: Iterable[tuple[tuple[Any, ...], Any]],
    loss: Loss | None,
    key: jax.Array,
) -> dict[int, np.ndarray]:
    """Return squared derivatives of the loss, summed over rows, in the mean over predictions.

    Args:
      network: what was traced.
      params: its parameters.
      batches: inputs of the network as tuples, each with the targets of the loss.
      loss: of outputs and targets; by default the cross-entropy of labels that are drawn from the
        softmax of the outputs over a temperature of 4, of which the squared derivatives are
        Fisher's information.
      key: for these draws.

    Returns:
      float64 [matrices, outputs] for each parameter, by its position in tree order.
    """
    passes: dict[Any, Callable[..., tuple[dict[int, jax.Array], jax.Array]]] = {}
    total: dict[int, np.ndarray] = {}
    predictions = 0.0
    for inputs, targets in batches:
        key, own = jax.random.split(key)
        shapes = shapes_of((inputs, targets))
        if shapes not in passes:
            passes[shapes] = jax.jit(_one_pass(network, params, inputs, loss))
        sums, count = passes[shapes](params, inputs, targets, own)
        predictions += float(count)
        for leaf, found in sums.items():
            total[leaf] = total.get(leaf, 0.0) + np.asarray(found, np.float64)
    return {leaf: sums / predictions for leaf, sums in total.items()}


def _one_pass(
    network: "Network", params: PyTree, inputs: tuple[Any, ...], loss: Loss | None
) -> Callable[..., tuple[dict[int, jax.Array], jax.Array]]:
    program = program_of(network, params, inputs)
    meetings = rows_of(network, program)
    structure = jax.tree.structure(jax.eval_shape(network.function, params, *inputs))
    places = [outputs[0] for outputs in meetings]
    shapes = {place: program.shapes[place] for place in places}

    def run(params: PyTree, inputs: tuple[Any, ...], targets: Any, key: jax.Array) -> Any:
        def of_changes(changes: dict[int, jax.Array]) -> tuple[jax.Array, jax.Array]:
            def add(operation: Any, values: Any, results: Any) -> Any:
                del values
                change = changes.get(operation.outputs[0])
                return results if change is None else [results[0] + change, *results[1:]]

            outputs = structure.unflatten(evaluate(program, params, inputs, add))
            each = _drawn_cross_entropy(outputs, key) if loss is None else loss(outputs, targets)
            return jnp.sum(each), jnp.asarray(float(np.size(each)))

        zeros = {place: jnp.zeros(one.shape, one.dtype) for place, one in shapes.items()}
        derivatives, count = jax.grad(of_changes, has_aux=True)(zeros)
        sums: dict[int, jax.Array] = {}
        for outputs, all_rows in meetings.items():
            for rows in all_rows:
                own = rows.outs(derivatives[outputs[0]]).astype(jnp.float32)
                found = rows.sum_of_outputs(jnp.square(own))
                sums[rows.leaf] = found + sums[rows.leaf] if rows.leaf in sums else found
        return sums, count

    return run


def _drawn_cross_entropy(logits: jax.Array, key: jax.Array) -> jax.Array:
    logits = logits.astype(jnp.float32) / _TEMPERATURE
    labels = jax.random.categorical(key, jax.lax.stop_gradient(logits))
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)[..., 0]
