"""Holds the calibration data of a network."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp import tracing

PyTree = Any
_HELD_BACK = 4  # one batch of so many


class Calibration:
    r"""Holds a network and examples: what calibration needs beside the parameters.
    Use a few hundred to a few thousand examples, at least five for each input of the widest layer
    if there are so many; labels are not needed. One batch in four is held out, to measure the
    result.

    Args:
      apply: function of parameters and the inputs of a batch, the network in evaluation mode. It
        returns logits, whose softmax along the last axis is a prediction, unless `loss` is given.
      batches: inputs of the network, for each batch; a tuple if the network takes several.
      loss: function of outputs and targets that returns the loss of each prediction, for networks
        without logits.
      targets: the targets of `loss`, for each batch.
      seed: seed of the labels that are drawn from the predictions, to find out which units matter.

    Raises:
      ValueError: if there are no batches, if the targets are not as many, or if only one of `loss`
        and `targets` is given.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxcomp
      >>> batches = [jnp.ones((100, 20))] * 8
      >>> calibration = jaxcomp.Calibration(lambda params, x: x @ params["kernel"], batches)
      >>> len(calibration.fitted), len(calibration.held_back)
      (6, 2)
      >>> calibration.trace({"kernel": jnp.ones((20, 10))}).weights
      ('kernel',)
    """

    def __init__(
        self,
        apply: Callable[..., Any],
        batches: Sequence[Any],
        *,
        loss: Callable[[PyTree, Any], jax.Array] | None = None,
        targets: Sequence[Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.apply, self.loss, self.seed = apply, loss, seed
        inputs = [batch if isinstance(batch, tuple) else (batch,) for batch in batches]
        if not inputs:
            raise ValueError("there are no batches to calibrate with: give at least one")
        if (targets is None) != (loss is None):
            raise ValueError("a loss needs targets, and targets a loss: give both or neither")
        beside = [None] * len(inputs) if targets is None else list(targets)
        if len(beside) != len(inputs):
            raise ValueError(f"there are {len(inputs)} batches and {len(beside)} targets")
        pairs = list(zip(inputs, beside, strict=True))
        held = pairs[_HELD_BACK - 1 :: _HELD_BACK] or (pairs[-1:] if len(pairs) > 1 else [])
        self.fitted = [pair for pair in pairs if not any(pair is other for other in held)]
        self.held_back = held or pairs  # a single batch serves for both
        self.holds_back = bool(held)

    def trace(self, params: PyTree) -> "tracing.Network":
        """Return the network, traced with the first batch.

        Raises:
          TypeError: if there is no loss, and the outputs are not logits.
        """
        inputs = self.fitted[0][0]
        outputs = jax.eval_shape(self.apply, params, *inputs)
        are_logits = (
            isinstance(outputs, jax.ShapeDtypeStruct)
            and jnp.issubdtype(outputs.dtype, jnp.floating)
            and outputs.ndim > 0
            and outputs.shape[-1] > 1  # a single class is certain
        )
        if self.loss is None and not are_logits:
            raise TypeError(
                "without a loss `apply` has to return logits, one array of floating-point numbers "
                f"[..., two classes or more], got {outputs}: return them alone, or give `loss` and "
                "`targets`"
            )
        return tracing.trace(self.apply, params, *inputs)


def losses_of(calibration: Calibration) -> Callable[..., jax.Array]:
    """Return a function of dense outputs, parameters, inputs and targets.

    It returns the loss of each prediction: the calibration's own, or the Kullback-Leibler
    divergence from the prediction of the dense network.
    """
    apply, loss = calibration.apply, calibration.loss

    def each(outputs: PyTree, params: PyTree, inputs: tuple[Any, ...], targets: Any) -> jax.Array:
        new = apply(params, *inputs)
        if loss is not None:
            return loss(new, targets)
        own, other = (jax.nn.log_softmax(x.astype(jnp.float32)) for x in (outputs, new))
        possible = own > -jnp.inf  # excludes masked logits, here and in derivatives
        own, other = (jnp.where(possible, x, 0.0) for x in (own, other))
        return jnp.sum(jnp.where(possible, jnp.exp(own) * (own - other), 0.0), axis=-1)

    return each


class Fidelity:
    """Measures how far a network with other parameters is from the original, on held-out data."""

    def __init__(self, calibration: Calibration, params: PyTree) -> None:
        self._calibration = calibration
        self._each = jax.jit(losses_of(calibration))
        run = jax.jit(calibration.apply)
        self._outputs = [run(params, *inputs) for inputs, _ in calibration.held_back]
        self.before = self._mean(params) if calibration.loss is not None else 0.0

    def __call__(self, params: PyTree) -> float:
        """Return the mean loss over predictions.

        It is the Kullback-Leibler divergence of the predictions in nats, or the relative growth of
        the calibration's own loss.
        """
        lost = self._mean(params)
        if self._calibration.loss is None:
            return lost
        return (lost - self.before) / abs(self.before) if self.before else lost

    def _mean(self, params: PyTree) -> float:
        total, count = 0.0, 0
        pairs = zip(self._outputs, self._calibration.held_back, strict=True)
        for outputs, (inputs, targets) in pairs:
            each = np.asarray(self._each(outputs, params, inputs, targets), np.float64)
            total, count = total + float(each.sum()), count + each.size
        return total / count
