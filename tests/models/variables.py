"""Variables of a network without compiling its initialization, which takes seconds."""

import jax
import numpy as np

from jaxcomp.trees import path_name


def random_variables(model, images, seed=0):
    """Kernels as He et al. start them; biases, scales and statistics near their initial values."""
    rng = np.random.default_rng(seed)

    def leaf(path, like):
        if len(like.shape) > 1:
            values = rng.normal(size=like.shape) * np.sqrt(2 / np.prod(like.shape[:-1]))
        else:
            center = path_name(path).endswith(("scale", "var"))
            values = center + rng.uniform(-0.5, 0.5, like.shape)
        return values.astype(like.dtype)

    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    return jax.tree_util.tree_map_with_path(leaf, shapes)
