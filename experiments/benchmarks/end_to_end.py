"""What feeding a network costs, and what the method costs in a whole training.

python -m experiments.benchmarks.end_to_end [--networks lenet_5_caffe ...] [--output FILE.json]

Of each network the time of training steps, over that of the same steps on one batch that lies on
the device, which nothing can be faster than:

* memory: batches of shuffled examples in the host's memory, steps called from Python.
* device: all examples on the device, all steps in one compiled call. Not of convolutions on CPUs,
  where that is slow.
* stream: JPEG images of 500 x 375 pixels, decoded, cropped and scaled by grain (ResNet-50).

And the time with penalty and pruning over the time without, both fed as the device likes it best.
Prints a table, and writes all numbers as JSON. About twenty-five minutes on two CPU cores.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image
from rich.table import Table

import jaxcomp
from experiments.benchmarks.network import Start, start
from experiments.benchmarks.paired import Work, in_turns
from experiments.benchmarks.record import Record, cells_of, row_of
from experiments.training.trainer import on_device
from jaxcomp.data import Examples, Split, Stream, shuffled_indices
from jaxcomp.models import MODELS
from jaxcomp.screen import PlainConsole
from jaxcomp.train import TrainState, fit, fit_scan, init_state, make_scan, make_step

PyTree = Any

# What experiments give to networks whose examples are in memory: the shape of an image, the batch.
IN_MEMORY = {
    "lenet_300_100": ((28, 28, 1), 128),
    "lenet_5_caffe": ((28, 28, 1), 128),
    "resnet_20": ((32, 32, 3), 256),
}
STREAMED = "resnet_50"
NETWORKS = [*IN_MEMORY, STREAMED]
WITHOUT_CONVOLUTIONS = ("lenet_300_100",)
EXAMPLES = 20_000  # in memory
PICTURES = 64  # that are encoded; the stream goes through them again and again
PICTURE = (375, 500)


class Setting(NamedTuple):
    """A network with what it is fed."""

    name: str
    start: Start
    examples: Split
    batch: Examples


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    on_cpu = jax.default_backend() == "cpu"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    default = NETWORKS if not on_cpu else [name for name in NETWORKS if name != "resnet_20"]
    add("--networks", nargs="+", default=default, choices=NETWORKS, help=f"[{default}]")
    add("--steps", type=int, default=20 if on_cpu else 100, help="in a call [%(default)s]")
    add("--repeats", type=int, default=7, help="pairs of samples [%(default)s]")
    add("--seconds", type=float, default=1.0, help="about that long a sample [%(default)s]")
    add("--batch", type=int, default=8 if on_cpu else 256, help="of ResNet-50 [%(default)s]")
    add("--image-size", type=int, default=64 if on_cpu else 224, help="the same [%(default)s]")
    add("--output", type=Path, default=Path("experiments/results/end_to_end.json"))
    options = parser.parse_args(arguments)

    given = sys.argv[1:] if arguments is None else arguments
    record = Record("end_to_end", given, options.output, steps_in_a_call=options.steps)
    console = PlainConsole(width=120)
    for name in options.networks:
        for row in _rows(_setting(name, options), options):
            record.add(row)
            console.print(f"{row['network']}, {row['name']}: {row['ratio']['median']:.3f}")
    console.print(_table(record.rows))


def _setting(name: str, options: argparse.Namespace) -> Setting:
    if name == STREAMED:
        again = np.resize(np.arange(PICTURES), options.batch + PICTURES)
        examples = Stream(Pictures(PICTURES), again, options.image_size)
        batch = next(examples.shuffled_batches(options.batch, seed=0))
    else:
        shape, batch_size = IN_MEMORY[name]
        rng = np.random.default_rng(0)
        images = rng.random((EXAMPLES, *shape), np.float32)
        examples = Examples(images, rng.integers(0, 10, EXAMPLES, np.int32))
        batch = Examples(*(part[:batch_size] for part in examples))
    model = MODELS[name](dtype=jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16)
    return Setting(name, start(model, batch.inputs[:1]), examples, batch)


class Pictures:
    """Smooth pictures with some noise, as JPEG files are, decoded when they are asked for."""

    def __init__(self, count: int):
        """So many different ones."""
        rng = np.random.default_rng(0)
        self._files = [self._encoded(rng) for _ in range(count)]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The pixels of one, and a label."""
        return {
            "image": np.asarray(Image.open(io.BytesIO(self._files[index]))),
            "label": index % 10,
        }

    def _encoded(self, rng: np.random.Generator) -> bytes:
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
        smooth = np.asarray(coarse.resize(PICTURE[::-1], Image.Resampling.BICUBIC), np.float32)
        noisy = np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "jpeg", quality=90)
        return file.getvalue()


def _rows(setting: Setting, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    plain = optax.adam(1e-3)
    lying = _Training(setting, plain).on_one_batch(options.steps)
    about = {"network": setting.name, "batch": len(setting.batch.labels)}
    ways = ["memory" if setting.examples.in_memory else "stream"]
    if ways == ["memory"] and _scans(setting.name):
        ways.append("device")
    for way in ways:
        fed = _Training(setting, plain).fed(way, options.steps)
        yield _row({**about, "name": f"fed from {way}"}, lying, fed, options)

    method = optax.chain(
        jaxcomp.add_compressibility(1e-3),
        plain,
        jaxcomp.prune_gradually(optax.polynomial_schedule(1.0, 0.1, 3, 1_000_000), every=100),
    )
    without, with_it = (
        _Training(setting, tx).fed(ways[-1], options.steps) for tx in (plain, method)
    )
    name = f"penalty and pruning, fed from {ways[-1]}"
    yield _row({**about, "name": name}, without, with_it, options)


def _scans(name: str) -> bool:
    """Whether many steps in one call are the fast form."""
    return on_device("auto") or name in WITHOUT_CONVOLUTIONS


class _Training:
    """A training that goes on from call to call."""

    def __init__(self, setting: Setting, tx: optax.GradientTransformation):
        self._setting = setting
        params, others, loss = setting.start
        self._state: TrainState = init_state(params, tx, others)
        self._how = loss, tx

    def on_one_batch(self, steps: int) -> Work:
        """A call that makes steps on a batch that lies on the device."""
        step, batch = make_step(*self._how), jax.device_put(self._setting.batch)

        def call() -> jax.Array:
            for _ in range(steps):
                self._state = step(self._state, batch)
            return self._state.loss

        return call

    def fed(self, way: str, steps: int) -> Work:
        """A call that makes steps on new batches, which come as the module says."""
        examples, batch_size = self._setting.examples, len(self._setting.batch.labels)
        ends = {"steps": steps, "look_every": steps}
        if way == "device":
            scan, placed = make_scan(*self._how), jax.device_put(examples)
            order = shuffled_indices(examples.number, batch_size, 0)

            def scanned() -> jax.Array:
                self._state = fit_scan(scan, self._state, placed, order, **ends)
                return self._state.loss

            return scanned
        step, batches = make_step(*self._how), examples.shuffled_batches(batch_size, seed=0)

        def call() -> jax.Array:
            self._state = fit(step, self._state, batches, **ends)
            return self._state.loss

        return call


def _row(
    about: dict[str, Any], baseline: Work, variant: Work, options: argparse.Namespace
) -> dict[str, Any]:
    pair = in_turns(baseline, variant, options.repeats, options.seconds)
    row = row_of(about, pair, pair.ratios())
    seconds = row["variant_milliseconds"]["median"] / 1e3
    return {**row, "examples_per_second": about["batch"] * options.steps / seconds}


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for heading in ("network", "what"):
        table.add_column(heading)
    for heading in ("batch", "examples/s", "time x", "quartiles"):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = f"{row['batch']:,}", f"{row['examples_per_second']:,.0f}"
        table.add_row(row["network"], row["name"], *numbers, *cells_of(row["ratio"]))
    return table


if __name__ == "__main__":
    main()
