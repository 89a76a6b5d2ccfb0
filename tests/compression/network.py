"""The network that compression is tried on."""

import jax


def apply(params, images):
    x = images.reshape(len(images), -1)
    for name, layer in params.items():
        x = (x if name == "in" else jax.nn.relu(x)) @ layer["kernel"] + layer["bias"][None]
    return x
