"""Whether a product with a pruned matrix is faster: sparse and int8 products beside the dense one.

taskset -c 0 python -m experiments.benchmarks.products [--output FILE.json]

A row is the time of a product with a ternary matrix in one form, over the time of the float32
product with a dense matrix of the same shape, both in turns. The non-zeros are at random places.
Another row has the bytes of each form: in memory, and of a `.jxc` file of its arrays. SciPy's
products take one thread, and XLA's as many as there are cores: `taskset` leaves one to both. Times
are those that the process has had the core. Prints a table, and writes all numbers as JSON. About
six minutes on an idle core.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse
from rich.table import Table
from scipy.sparse import csr_array

import jaxcomp
from experiments.benchmarks.paired import Work, in_turns
from experiments.benchmarks.record import Record, cells_of, row_of
from jaxcomp.screen import PlainConsole

SHAPES = ((784, 300), (1024, 1024), (4096, 4096))  # inputs, outputs
DENSITIES = (0.1, 0.03, 0.01)
BATCHES = (1, 128)
DENSE = "dense, float32"
TERNARY, CONVERTED, INT8 = "ternary, float32", "int8, converted", "int8 x int8"
BCOO, BCSR, CSR = "BCOO of JAX", "BCSR of JAX", "CSR of SciPy"
FORMS = (TERNARY, CONVERTED, INT8, BCOO, BCSR, CSR)
_LEVEL = 0.05  # magnitude of the ternary weights


class Form(NamedTuple):
    """A matrix as it lies in memory, and its products."""

    arrays: dict[str, np.ndarray]
    product: Work  # with one batch of inputs, the same for all forms

    def memory_bytes(self) -> int:
        """Return the bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    def file_bytes(self) -> int:
        """Return the size of a `.jxc` file of the arrays."""
        with tempfile.TemporaryDirectory() as folder:
            return jaxcomp.save(Path(folder) / "matrix.jxc", self.arrays)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--repeats", type=int, default=15, help="pairs of samples [%(default)s]")
    add("--seconds", type=float, default=0.1, help="about that long a sample [%(default)s]")
    add("--output", type=Path, default=Path("experiments/results/products_cpu.json"))
    options = parser.parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    cores = len(os.sched_getaffinity(0))
    record = Record("products", given, options.output, cores=cores)
    table = Table("product", "time x", "quartiles", box=None)
    for row in _measured(options.repeats, options.seconds):
        record.add(row)
        if row["kind"] == "time":
            name = "{inputs} x {outputs}, {density}, batch {batch}, {form}".format(**row)
            table.add_row(name, *cells_of(row["ratio"]))
    PlainConsole(width=120).print(table)


def _measured(repeats: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield the rows: the bytes of a matrix in each form, then the times of its products."""
    for shape in SHAPES:
        for density in DENSITIES:
            about = dict(zip(("inputs", "outputs"), shape, strict=True)) | {"density": density}
            forms = forms_of(shape, density, batch=1)
            memory = {name: form.memory_bytes() for name, form in forms.items()}
            files = {name: form.file_bytes() for name, form in forms.items()}
            yield {"kind": "bytes", **about, "memory_bytes": memory, "file_bytes": files}
            for batch in BATCHES:
                forms = forms_of(shape, density, batch)
                for name in FORMS:
                    dense, other = forms[DENSE].product, forms[name].product
                    pair = in_turns(dense, other, repeats, seconds, time.process_time)
                    row = {"kind": "time", **about, "batch": batch, "form": name}
                    yield row_of(row, pair, pair.ratios())


def forms_of(shape: tuple[int, int], density: float, batch: int) -> dict[str, Form]:
    """Return a ternary matrix in each form, and beside it a dense one.

    Args:
      shape: inputs and outputs of the matrix.
      density: share of its entries that are not zero.
      batch: rows of the inputs.
    """
    rng = np.random.default_rng(0)
    x = rng.integers(-127, 128, (batch, shape[0])).astype(np.float32)
    dense = rng.normal(size=shape).astype(np.float32)
    signs = np.zeros(shape, np.int8)
    places = rng.choice(signs.size, round(density * signs.size), replace=False)
    signs.flat[places] = rng.choice(np.array([-1, 1], np.int8), len(places))
    ternary = signs * np.float32(_LEVEL)
    level = np.float32(_LEVEL)
    # Outputs first: rows of the sparse matrices are what is added up.
    csr = csr_array(ternary.T)
    bcoo, bcsr = (of.from_scipy_sparse(csr) for of in (sparse.BCOO, sparse.BCSR))
    columns = np.ascontiguousarray(x.T)

    def on_device(function: Any, *arrays: Any) -> Work:
        return partial(jax.jit(function), *jax.device_put(arrays))

    of_signs = {"signs": signs, "level": level}
    of_rows = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr}
    return {
        DENSE: Form({"w": dense}, on_device(jnp.matmul, x, dense)),
        TERNARY: Form({"w": ternary}, on_device(jnp.matmul, x, ternary)),
        CONVERTED: Form(of_signs, on_device(_converted, x, signs, level)),
        INT8: Form(of_signs, on_device(_of_integers, x.astype(np.int8), signs, level)),
        BCOO: Form(
            {"data": np.asarray(bcoo.data), "indices": np.asarray(bcoo.indices)},
            on_device(_of_columns, columns, bcoo),
        ),
        BCSR: Form(of_rows, on_device(_of_columns, columns, bcsr)),
        CSR: Form(of_rows, lambda: (csr @ columns).T),
    }


def _converted(x: jax.Array, signs: jax.Array, level: jax.Array) -> jax.Array:
    return x @ signs.astype(x.dtype) * level


def _of_columns(columns: jax.Array, w: sparse.BCOO | sparse.BCSR) -> jax.Array:
    return (w @ columns).T


def _of_integers(x: jax.Array, signs: jax.Array, level: jax.Array) -> jax.Array:
    return jnp.matmul(x, signs, preferred_element_type=jnp.int32) * level


if __name__ == "__main__":
    main()
