"""Sets of quantized weight tensors to measure a codec on, made from fixed seeds.

* a: LeNet-300-100, ternary, 2 % non-zero, at independent places.
* b: LeNet-300-100, 30 % of the rows and 40 % of the columns alive, 8 % non-zero there, 16 values.
* c: LeNet-5-Caffe, ternary, 0.5 % non-zero, with dead rows and columns.
* d: the 54 kernels of ResNet-50 (25.5 million weights), 5 % non-zero, 30 values, independent.
* e: the same shapes, dense and Gaussian, 8 bits.
* d2, e2: as d and e, with log-normal gains of each layer, row and column.
"""

from collections.abc import Callable

import numpy as np

# By name: bytes of the zeroth-order entropy, and those that NNCodec 2.1.3 (ISO/IEC 15938-17, the
# lossless route of integers, with parameter optimization) takes: for the payload, and for the whole
# file with names, shapes and 4 bytes for each value of a codebook. All were decoded back exactly.
KNOWN: dict[str, tuple[int, int, int | None]] = {
    "a": (5_372, 5_648, 5_729),
    "b": (3_621, 3_315, 3_572),
    "c": (2_612, 2_247, 2_351),
    "d": (1_551_039, 1_582_038, 1_583_672),
    "e": (21_367_842, 21_813_925, 21_815_638),
    "d2": (1_223_034, 1_154_362, None),
    "e2": (16_945_139, 16_897_552, None),
}

Shape = tuple[int, ...]
Tensors = list[tuple[str, np.ndarray, int]]  # name, int8 levels, number of values of the codebook

_LENET_300_100 = [("fc1", (784, 300)), ("fc2", (300, 100)), ("fc3", (100, 10))]
# Shape, shares of live rows and columns, non-zeros.
_LENET_5 = [
    ("conv1", (20, 1, 5, 5), 0.5, 0.6, 50),
    ("conv2", (50, 20, 5, 5), 0.3, 0.35, 500),
    ("ip1", (800, 500), 0.2, 0.25, 1_502),
    ("ip2", (500, 10), 0.25, 1.0, 100),
]


def load(name: str) -> Tensors:
    """Make the set of a name in `KNOWN`."""
    return _SETS[name]()


def _set_a() -> Tensors:
    rng = np.random.default_rng(1)
    return [(n, _ternary(rng, s, round(0.02 * np.prod(s))), 1) for n, s in _LENET_300_100]


def _set_b() -> Tensors:
    rng = np.random.default_rng(2)

    def values(count: int) -> np.ndarray:
        return _laplacian(rng, count, 1.8, 8)

    return [
        (n, _structured(rng, s, 0.3, 0.4, lambda room: round(0.08 * room), values), 16)
        for n, s in _LENET_300_100
    ]


def _set_c() -> Tensors:
    rng = np.random.default_rng(3)

    def signs(count: int) -> np.ndarray:
        return _signs(rng, count)

    return [
        (n, _structured(rng, s, rows, columns, lambda room, k=nonzeros: k, signs), 1)
        for n, s, rows, columns, nonzeros in _LENET_5
    ]


def _set_d() -> Tensors:
    rng, tensors = np.random.default_rng(4), []
    for name, shape in _resnet50():
        levels = np.zeros(int(np.prod(shape)), np.int8)
        nonzeros = round(0.05 * levels.size)
        values = _laplacian(rng, nonzeros, 3.0, 15)
        levels[rng.choice(levels.size, nonzeros, replace=False)] = values
        tensors.append((name, levels.reshape(shape), 1))
    return tensors


def _set_e() -> Tensors:
    rng = np.random.default_rng(5)
    return [(n, _eight_bits(rng.standard_normal(s, dtype=np.float32)), 1) for n, s in _resnet50()]


def _set_d2() -> Tensors:
    rng, weights = np.random.default_rng(6), []
    for name, shape in _resnet50():
        gain = np.exp(0.35 * rng.standard_normal())
        rows = _gains(rng, 0.45, shape, axis=0)
        columns = _gains(rng, 0.45, shape, axis=1)
        weights.append((name, (rng.laplace(size=shape) * gain * rows * columns).astype(np.float32)))
    sample = np.concatenate([np.abs(w).ravel()[::7] for _, w in weights])
    threshold = np.quantile(sample, 0.95)
    tensors = []
    for name, w in weights:
        size = np.abs(w)
        step = (size.max() - threshold) / 15 * 0.6 if size.max() > threshold else 1.0
        magnitudes = np.minimum(1 + np.floor((size - threshold) / max(step, 1e-9)), 15)
        levels = np.where(size > threshold, np.sign(w) * magnitudes, 0)
        tensors.append((name, levels.astype(np.int8), 1))
    return tensors


def _set_e2() -> Tensors:
    rng, tensors = np.random.default_rng(7), []
    for name, shape in _resnet50():
        w = rng.standard_normal(shape, dtype=np.float32)
        w = w * _gains(rng, 0.35, shape, axis=0).astype(np.float32)
        w = w * _gains(rng, 0.25, shape, axis=1).astype(np.float32)
        tensors.append((name, _eight_bits(w), 1))
    return tensors


_SETS: dict[str, Callable[[], Tensors]] = {
    "a": _set_a,
    "b": _set_b,
    "c": _set_c,
    "d": _set_d,
    "e": _set_e,
    "d2": _set_d2,
    "e2": _set_e2,
}


def _resnet50() -> list[tuple[str, Shape]]:
    """Return names and shapes of the kernels, in PyTorch's order of the axes."""
    shapes, inputs = [("conv1", (64, 3, 7, 7))], 64
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            name = f"l{stage}.{block}"
            shapes += [
                (f"{name}.c1", (width, inputs, 1, 1)),
                (f"{name}.c2", (width, width, 3, 3)),
                (f"{name}.c3", (4 * width, width, 1, 1)),
            ]
            if block == 0:
                shapes.append((f"{name}.ds", (4 * width, inputs, 1, 1)))
            inputs = 4 * width
    return [*shapes, ("fc", (1000, 2048))]


def _signs(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.choice(np.array([-1, 1], np.int8), count)


def _ternary(rng: np.random.Generator, shape: Shape, nonzeros: int) -> np.ndarray:
    levels = np.zeros(int(np.prod(shape)), np.int8)
    places = rng.choice(levels.size, nonzeros, replace=False)
    levels[places] = _signs(rng, nonzeros)
    return levels.reshape(shape)


def _laplacian(rng: np.random.Generator, count: int, mean: float, largest: int) -> np.ndarray:
    magnitudes = np.minimum(1 + np.floor(rng.exponential(mean, count)), largest).astype(np.int8)
    return magnitudes * _signs(rng, count)


def _structured(
    rng: np.random.Generator,
    shape: Shape,
    live_rows: float,
    live_columns: float,
    nonzeros: Callable[[int], int],
    values: Callable[[int], np.ndarray],
) -> np.ndarray:
    """Non-zeros in some rows and columns alone, as many as are wanted of the room there."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    at_rows = _alive(rng, rows, max(1, round(rows * live_rows)))
    at_columns = _alive(rng, columns, max(1, round(columns * live_columns)))
    room = len(at_rows) * len(at_columns)
    places = rng.choice(room, min(nonzeros(room), room), replace=False)
    levels = np.zeros((rows, columns), np.int8)
    at = at_rows[places // len(at_columns)], at_columns[places % len(at_columns)]
    levels[at] = values(len(places))
    return levels.reshape(shape)


def _alive(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    return np.sort(rng.choice(size, count, replace=False))


def _gains(rng: np.random.Generator, spread: float, shape: Shape, axis: int) -> np.ndarray:
    """Log-normal factors along one axis."""
    gains = np.exp(spread * rng.standard_normal(shape[axis]))
    return np.expand_dims(gains, [a for a in range(len(shape)) if a != axis])


def _eight_bits(w: np.ndarray) -> np.ndarray:
    return np.round(127 * w / np.abs(w).max()).astype(np.int8)
