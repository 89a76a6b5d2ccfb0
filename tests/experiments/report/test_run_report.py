"""What a run shows at its end."""

import io

from rich.console import Console

from experiments.report import run_report


def test_all_networks_and_forms_are_shown_with_names_or_without():
    networks, forms = ("dense", "a new one"), ("float32", "jxc", "a new form")
    numbers = {
        "config": {"name": "short"},
        "seed": 0,
        "test_examples": 10,
        "test_accuracy": {name: 0.5 for name in networks},
        "test_bits": {name: float("nan") for name in networks},
        "storage": {
            "nonzero_weights": 1,
            "weights": 2,
            "bytes": {name: 7 for name in forms},
            "ratio_to_float32": {name: 1.0 for name in forms},
            "bits_per_weight": {name: 1.0 for name in forms},
        },
    }
    console = Console(width=120, record=True, file=io.StringIO())
    run_report.show(numbers, console)
    shown = console.export_text()
    for expected in ("dense, trained without the penalty", "a new one", "model.jxc", "a new form"):
        assert expected in shown
