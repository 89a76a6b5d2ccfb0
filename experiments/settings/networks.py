"""The network of a run, as it is trained and as it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxcomp.data import DATASETS
from jaxcomp.models import MODELS

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class SettingError(ValueError):
    """A setting of the configuration that does not fit the network, with the remedy."""


@dataclass(frozen=True)
class NetworkSettings:
    """Say which network a run trains.

    Attributes:
      name: in `jaxcomp.models.MODELS`.
      data: name of the data set, which says how many classes there are.
      precision: name of the type that training computes in. Parameters are float32 in any case.
      dropout: rates of the dense network by their names, those that are not zero.
    """

    name: str
    data: str
    precision: str = "float32"
    dropout: Mapping[str, float] = field(default_factory=dict)

    def to_evaluate(self) -> nn.Module:
        """Return the network as it is evaluated: in float32, with all units."""
        return MODELS[self.name](classes=DATASETS[self.data].classes)

    def to_train(self, **changes: Any) -> nn.Module:
        """Return the network as it is trained.

        Args:
          changes: other fields of it, such as `widths`.
        """
        dtype = PRECISIONS[self.precision]
        return self.to_evaluate().clone(dtype=dtype, **self.dropout, **changes)
