"""What a run leaves behind: a table on the screen, figures, and every number in one file."""

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments.report.evaluation import nonzero_weights
from experiments.report.plots.compression import compression_figure
from experiments.report.plots.summary import Measured, summary_figure
from experiments.report.storage import reference_bytes
from experiments.training.recipe import Outcome
from jaxcomp.trees import named_leaves, select, weight_mask

_STORAGE_NAMES = {
    "float32": "float32",
    "float32_zstd19": "float32 + zstd-19",
    "int8_zstd19": "int8 + zstd-19",
    "jxc": "model.jxc",
}
_ACCURACY_NAMES = {
    "dense": "dense, trained without the penalty",
    "penalized": "trained with the penalty",
    "quantized": "pruned, few-valued, fine-tuned",
    "compressed": "compressed: no dead units, biases rounded",
    "read_back": "read back from the file, in a fresh process",
}


def column(judged: dict[str, dict[str, float]], metric: str) -> dict[str, float]:
    """One metric of several networks that were judged."""
    return {name: values[metric] for name, values in judged.items()}


def storage(compressed: Any, file_bytes: int) -> dict[str, Any]:
    """Sizes of the compressed parameters in each form, and what they come to.

    The ratio is float32 bytes over the bytes of the whole file, headers and biases included; bits
    per weight is 8 times the file's bytes over the number of all parameters.
    """
    parameters = sum(leaf.size for leaf in jax.tree.leaves(compressed))
    weights = select(compressed, weight_mask)
    sizes = {**reference_bytes(compressed), "jxc": file_bytes}
    return {
        "parameters": parameters,
        "weights": sum(w.size for w in weights),
        "nonzero_weights": nonzero_weights(compressed),
        "bytes": sizes,
        "ratio_to_float32": {name: sizes["float32"] / size for name, size in sizes.items()},
        "bits_per_weight": {name: 8 * size / parameters for name, size in sizes.items()},
    }


def layers(compressed: Any) -> dict[str, dict[str, Any]]:
    """Shape, non-zeros and levels of each few-valued tensor, by name."""
    return {
        name: {
            "shape": list(w.shape),
            "nonzeros": int(np.count_nonzero(w)),
            "levels": np.unique(np.abs(w[w != 0])).tolist(),
        }
        for name, w in _weights(compressed).items()
    }


def figure(outcome: Outcome, report: dict[str, Any]) -> Figure:
    """Draw the weights of the largest layer before and after, the bytes, and the accuracies."""
    stored, accuracy = report["storage"]["bytes"], report["test_accuracy"]
    measured = Measured(stored["float32"], stored["jxc"], accuracy["dense"], accuracy["read_back"])
    title = f"{report['config']['name']}, seed {report['seed']}"
    return summary_figure(*_stages(outcome), measured, title)


def details(outcome: Outcome, history: list[dict[str, Any]]) -> Figure:
    """Draw the weights of each layer before and after, sparsity by layer, and the curves."""
    return compression_figure(*_stages(outcome), history)


def show(report: dict[str, Any], console: Console) -> None:
    """Print the numbers of a report that a reader wants to see first."""
    accuracy = Table(title=f"{report['config']['name']}, seed {report['seed']}")
    accuracy.add_column("network")
    accuracy.add_column(f"test accuracy ({report['test_examples']} examples)", justify="right")
    accuracy.add_column("cross-entropy, bits", justify="right")
    for name, share in report["test_accuracy"].items():
        values = share, report["test_bits"][name]
        accuracy.add_row(_ACCURACY_NAMES.get(name, name), *(f"{value:.4f}" for value in values))
    console.print(accuracy)

    stored = report["storage"]
    density = stored["nonzero_weights"] / stored["weights"]
    sizes = Table(
        title=f"The compressed network: {stored['nonzero_weights']:,} of {stored['weights']:,} "
        f"weights are not zero ({density:.1%})"
    )
    sizes.add_column("stored as")
    for heading in ("bytes", "times smaller", "bits per parameter"):
        sizes.add_column(heading, justify="right")
    for name in stored["bytes"]:
        sizes.add_row(
            _STORAGE_NAMES.get(name, name),
            f"{stored['bytes'][name]:,}",
            f"{stored['ratio_to_float32'][name]:.1f}",
            f"{stored['bits_per_weight'][name]:.3f}",
        )
    console.print(sizes)


def _stages(outcome: Outcome) -> list[dict[str, np.ndarray]]:
    return [_weights(one) for one in (outcome.dense, outcome.penalized, outcome.compressed)]


def _weights(params: Any) -> dict[str, np.ndarray]:
    chosen = named_leaves(weight_mask(params))
    return {name: np.asarray(w) for name, w in named_leaves(params).items() if chosen[name]}
