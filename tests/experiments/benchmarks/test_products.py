"""All forms of a matrix have the same products; which is faster is measured, not tested."""

import json

import jax
import numpy as np
import pytest

from experiments.benchmarks import products
from experiments.report.documents import TABLES
from experiments.report.records import record_of


@pytest.mark.parametrize("batch", [1, 3])
def test_all_forms_of_a_ternary_matrix_have_the_same_product(batch):
    with jax.numpy_dtype_promotion("standard"):
        forms = products.forms_of((12, 8), 0.25, batch)
        made = {name: np.asarray(form.product()) for name, form in forms.items()}
    for name in products.FORMS:
        assert made[name].shape == (batch, 8)
        np.testing.assert_allclose(made[name], made[products.TERNARY], rtol=1e-5, err_msg=name)
    assert not np.allclose(made[products.DENSE], made[products.TERNARY])
    w = forms[products.TERNARY].arrays["w"]
    assert np.unique(w).size == 3
    assert np.count_nonzero(w) == 24


def test_bytes_of_each_form_are_those_of_its_arrays():
    forms = products.forms_of((12, 8), 0.25, batch=1)
    memory = {name: form.memory_bytes() for name, form in forms.items()}
    assert memory[products.DENSE] == memory[products.TERNARY] == 4 * 96
    assert memory[products.CONVERTED] == memory[products.INT8] == 96 + 4
    assert memory[products.BCOO] == 24 * (4 + 2 * 4)
    assert memory[products.BCSR] == memory[products.CSR] == 24 * (4 + 4) + 9 * 4
    assert forms[products.TERNARY].file_bytes() < forms[products.DENSE].file_bytes()


@pytest.mark.usefixtures("standard_promotion")
def test_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(products, "SHAPES", ((12, 8),))
    monkeypatch.setattr(products, "DENSITIES", (0.25,))
    output = tmp_path / "rows.json"
    products.main(["--repeats=2", "--seconds=0", "--output", str(output)])
    record = json.loads(output.read_text())
    (of_bytes,) = (row for row in record["rows"] if row["kind"] == "bytes")
    assert set(of_bytes["file_bytes"]) == {products.DENSE, *products.FORMS}
    times = [row for row in record["rows"] if row["kind"] == "time"]
    assert [(row["batch"], row["form"]) for row in times] == [
        (batch, form) for batch in products.BATCHES for form in products.FORMS
    ]
    assert record["cores"] >= 1
    printed = capsys.readouterr().out
    for row in times:
        assert row["ratio"]["min"] > 0
        assert f"12 x 8, 0.25, batch {row['batch']}, {row['form']}" in printed


def test_cells_of_the_tables_by_hand():
    rows = record_of("products_cpu")["rows"]
    (row,) = (
        row
        for row in rows
        if row["kind"] == "time"
        and (row["inputs"], row["density"], row["batch"], row["form"])
        == (4096, 0.01, 128, products.CSR)
    )
    low, middle, high = (
        f"{row['ratio'][of]:.2f}" for of in ("lower_quartile", "median", "upper_quartile")
    )
    (line,) = (
        line
        for line in TABLES["products"]().splitlines()
        if line.startswith("| 4,096 x 4,096 | 1 % | 128 |")
    )
    assert line.endswith(f"| {middle} ({low} to {high}) |")
    # CSR: 8 bytes for each of 167,772 weights, and 4 for the begin of each of 4,096 rows.
    (line,) = (
        line
        for line in TABLES["products-bytes"]().splitlines()
        if line.startswith("| 4,096 x 4,096 | 1 % | 67,108,864 | 16,777,220 |")
    )
    assert f"| {8 * 167_772 + 4 * 4_097:,} |" in line


def test_what_the_page_says_of_the_tables():
    rows = record_of("products_cpu")["rows"]
    medians: dict = {}
    for row in rows:
        if row["kind"] == "time":
            medians.setdefault((row["form"], row["batch"]), []).append(row["ratio"]["median"])
    of_zeros = [m for batch in products.BATCHES for m in medians[products.TERNARY, batch]]
    assert all(abs(m - 1) < 0.1 for m in of_zeros)
    assert min(medians[products.INT8, 1] + medians[products.CONVERTED, 1]) > 1.9
    of_batches = medians[products.INT8, 128]
    assert (round(min(of_batches), 2), round(max(of_batches), 2)) == (0.63, 0.89)
    assert max(medians[products.CSR, 1] + medians[products.CSR, 128]) < 1
    assert max(medians[products.BCSR, 128]) < 1
    of_bcoo = [m for batch in products.BATCHES for m in medians[products.BCOO, batch]]
    assert (sum(m > 1 for m in of_bcoo), len(of_bcoo)) == (10, 18)
    for row in rows:
        if row["kind"] == "bytes":
            weights = row["density"] * row["inputs"] * row["outputs"]
            assert 5.5 < 8 * row["file_bytes"][products.TERNARY] / weights < 10
