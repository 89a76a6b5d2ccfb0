"""The model of a configuration, as it is trained."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from jaxcomp.models import MODELS

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class SettingError(ValueError):
    """A setting of the configuration that does not fit the network, with the remedy."""


def trained_model(config: ConfigDict, **changes: Any) -> nn.Module:
    """With the dropout of the configuration, and computing in its precision.

    Parameters are float32 in any case, and so is the model that networks are judged by, which is
    `MODELS[config.model]()`.

    Args:
      config: of the run.
      changes: other fields of the model.
    """
    dropout = {name: rate for name, rate in config.dropout.items() if rate}
    return MODELS[config.model](dtype=PRECISIONS[config.precision], **dropout, **changes)
