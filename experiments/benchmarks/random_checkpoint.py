"""A checkpoint to try the command line on, without a download.

python -m experiments.benchmarks.random_checkpoint FILE.safetensors

The tensors of a ResNet-50 in PyTorch's names and shapes, 25.6 million parameters, with random
values: weights are normal with the variance of He's initialization, and each output channel has a
gain of its own, as trained ones have. Nothing can be said about accuracy with it.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from safetensors.numpy import save_file

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # width and number of blocks


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Write random weights in ResNet-50's shapes.")
    parser.add_argument("file", help="the .safetensors file to write")
    options = parser.parse_args()
    save_file(dict(tensors(np.random.default_rng(0))), options.file)


def tensors(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Names and float32 arrays."""
    for name, shape in shapes():
        if len(shape) == 1:
            yield name, (1 + 0.1 * rng.standard_normal(shape, np.float32)).astype(np.float32)
        else:
            deviation = np.sqrt(2 / np.prod(shape[1:]))
            gains = np.exp(0.4 * rng.standard_normal((shape[0], *[1] * (len(shape) - 1))))
            w = rng.standard_normal(shape, np.float32)
            yield name, (deviation * gains * w).astype(np.float32)


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes; running statistics of batch normalization are left out."""

    def convolution(name: str, norm: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", shape
        yield f"{norm}.weight", shape[:1]
        yield f"{norm}.bias", shape[:1]

    yield from convolution("conv1", "bn1", 64, 3, 7, 7)
    inputs = 64
    for stage, (width, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            outputs = 4 * width
            for i, shape in enumerate(
                [(width, inputs, 1, 1), (width, width, 3, 3), (outputs, width, 1, 1)], 1
            ):
                yield from convolution(f"{name}.conv{i}", f"{name}.bn{i}", *shape)
            if block == 0:
                down = f"{name}.downsample"
                yield from convolution(f"{down}.0", f"{down}.1", outputs, inputs, 1, 1)
            inputs = outputs
    yield "fc.weight", (1000, inputs)
    yield "fc.bias", (1000,)


if __name__ == "__main__":
    main()
