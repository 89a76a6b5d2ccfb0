"""One of several processes that train a network together on a mesh of all their devices.

python -m tests.train.one_of_processes PROCESSES NUMBER PORT

The first one prints loss, non-zeros and absolute sum of the parameters as a line of JSON. The
number of devices of each is set by XLA_FLAGS.
"""

import json
import sys

import jax
import numpy as np
import optax
from jax.experimental import multihost_utils

import jaxcomp
from jaxcomp.models import LeNet300100
from jaxcomp.train import init_state, make_mesh, make_step, place_batch, shardings_of

MODEL = LeNet300100(widths=(32, 16), classes=8)


def main(processes: int, number: int, port: int) -> None:
    """Four steps with the penalty, Adam and pruning."""
    if processes > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, number)
    images = np.random.default_rng(0).random((16, 4, 4, 1), np.float32)
    part = slice(number * 16 // processes, (number + 1) * 16 // processes)
    batch = images[part], (np.arange(16) % 8)[part]

    def loss(params, batch):
        logits = MODEL.apply({"params": params}, batch[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    optimizer = optax.chain(
        jaxcomp.add_compressibility(0.01), optax.adam(0.01), jaxcomp.prune_gradually(0.3, every=2)
    )
    mesh = make_mesh(-1, 2, 1)
    state = init_state(MODEL.init(jax.random.key(0), images[:1])["params"], optimizer)
    state = jax.device_put(state, shardings_of(state, mesh, [("kernel$", ("fsdp", None))]))
    step = make_step(loss, optimizer)
    for _ in range(4):
        state = step(state, place_batch(batch, mesh))
    params = jax.tree.leaves(multihost_utils.process_allgather(state.params, tiled=True))
    if number == 0:
        nonzeros = sum(int(np.count_nonzero(p)) for p in params)
        absolute = float(sum(np.abs(p).sum(dtype=np.float64) for p in params))
        print(json.dumps([jax.device_count(), float(state.loss), nonzeros, absolute]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
