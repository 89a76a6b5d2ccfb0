"""How fast XLA's convolutions are on this device: beside products of matrices, and in loops.

python -m experiments.benchmarks.convolutions [--output FILE.json]

Each row is the time of a forward and a backward pass over the time of another way to compute the
same: XLA's convolution over `jaxcomp.models.convolution`, and many in one compiled loop over as
many calls from Python. Prints a table, and writes all numbers as JSON. About a minute.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import numpy as np
from rich.table import Table

from experiments.benchmarks.paired import Work, in_turns
from experiments.benchmarks.record import Record, cells_of, row_of
from jaxcomp.models.convolution import convolution
from jaxcomp.screen import PlainConsole

# By name: the shapes of images and kernel, and the padding.
SHAPES = {
    "few channels, no padding": ((128, 28, 28, 1), (5, 5, 1, 20), "VALID"),
    "smaller than the kernel, padded": ((32, 2, 2, 512), (3, 3, 512, 512), "SAME"),
}
LOOP = "in a loop"
_LOOPED = "few channels, no padding"
_NUMBERS = ("NHWC", "HWIO", "NHWC")

Convolution = Callable[..., jax.Array]


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--steps", type=int, default=20, help="in a loop [%(default)s]")
    add("--repeats", type=int, default=9, help="pairs of samples [%(default)s]")
    add("--seconds", type=float, default=0.5, help="about that long a sample [%(default)s]")
    add("--output", type=Path, default=Path("experiments/results/convolutions.json"))
    options = parser.parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    record = Record("convolutions", given, options.output, steps_in_a_loop=options.steps)
    table = Table("XLA's convolution", "time x", "quartiles", box=None)
    for name, baseline, variant in _pairs(options.steps):
        pair = in_turns(baseline, variant, options.repeats, options.seconds)
        row = row_of({"name": name}, pair, pair.ratios())
        record.add(row)
        table.add_row(name, *cells_of(row["ratio"]))
    PlainConsole(width=120).print(table)


def _pairs(steps: int) -> Iterator[tuple[str, Work, Work]]:
    """Yield a name, the fast way, and that of XLA."""
    for name, (of_images, of_kernel, padding) in SHAPES.items():
        rng = np.random.default_rng(0)
        images, kernel = (
            jax.device_put(rng.normal(size=shape).astype(np.float32))
            for shape in (of_images, of_kernel)
        )
        own, xla = (
            jax.jit(_passes(one, padding)) for one in (convolution, jax.lax.conv_general_dilated)
        )
        yield name, partial(own, images, kernel), partial(xla, images, kernel)
        if name == _LOOPED:
            looped = jax.jit(_looped(xla, steps))
            yield LOOP, _calls(xla, images, kernel, steps), partial(looped, images, kernel)


def _passes(one: Convolution, padding: str) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Return a function to a kernel after a step down the sum of the squared results."""

    def loss(kernel: jax.Array, images: jax.Array) -> jax.Array:
        return (one(images, kernel, (1, 1), padding, dimension_numbers=_NUMBERS) ** 2).mean()

    return lambda images, kernel: kernel - 0.1 * jax.grad(loss)(kernel, images)


def _looped(
    one: Callable[[jax.Array, jax.Array], jax.Array], steps: int
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    def many(images: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, steps, lambda _, w: one(images, w), kernel)

    return many


def _calls(one: Callable[..., jax.Array], images: jax.Array, w: jax.Array, steps: int) -> Work:
    def call() -> jax.Array:
        found = w
        for _ in range(steps):
            found = one(images, found)
        return found

    return call


if __name__ == "__main__":
    main()
