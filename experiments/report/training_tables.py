"""The tables of networks that were trained by the recipe, from their records."""

from collections.abc import Callable
from typing import Any

from experiments.report import markdown
from experiments.report.records import record_of

LENET5 = (
    "mnist_lenet5",
    "mnist_lenet5_shifted",
    "mnist_lenet5_smallest",
    "mnist_lenet5_tiny",
)
_PHASES = ("train", "penalty", "finetune", "gap", "quantize", "settle")
_FORMS = ("dense", "penalized", "read_back")
_FORM_NAMES = {
    "dense": "dense",
    "penalized": "pruned, as floats",
    "read_back": "read back from the file",
}


def digits_and_mnist() -> str:
    """Return that of LeNet-300-100 on the digits and on MNIST."""
    digits, mnist = records = record_of("digits_lenet300"), record_of("mnist_lenet300")

    def row(name: str, cell: Callable[[dict[str, Any]], str]) -> tuple[str, ...]:
        return name, *map(cell, records)

    return markdown.table(
        (
            "",
            *(
                f"{name} ({record['test_examples']:,} for test)"
                for name, record in (("digits of scikit-learn", digits), ("MNIST", mnist))
            ),
        ),
        [
            row("test accuracy, dense, %", lambda record: _percent(record, "dense", 2)),
            row("test accuracy, compressed, %", lambda record: _percent(record, "read_back", 2)),
            row("non-zero weights", _nonzeros),
            row("bytes, float32", lambda record: f"{record['mean']['bytes_float32']:,.0f}"),
            row(
                "bytes (times smaller), float32 + zstd-19",
                lambda record: _size(record, "float32_zstd19"),
            ),
            row(
                "bytes (times smaller), int8 + zstd-19",
                lambda record: _size(record, "int8_zstd19"),
            ),
            row("bytes (times smaller), `model.jxc`", lambda record: f"**{_size(record, 'jxc')}**"),
            row(
                "bits per parameter, `model.jxc`",
                lambda record: f"{record['mean']['bits_per_weight_jxc']:.3f}",
            ),
        ],
    )


def lenet5() -> str:
    """Return how the networks of LeNet-5 on MNIST were trained, and what each stage costs."""

    def cells(name: str) -> tuple[str, ...]:
        record = record_of(name)
        config = record["config"]
        steps = sum(config[phase]["steps"] for phase in _PHASES if phase in config)
        errors = (f"{_errors(record, form)[0]:.2f}" for form in _FORMS)
        density, shift = 100 * config["prune"]["density"], config["data"]["shift"]
        return f"`{name}`", f"{density:.2f}", str(shift), f"{steps:,}", *errors

    return markdown.table(
        (
            "configuration",
            "weights kept, %",
            "random shifts, pixels",
            "steps",
            "test error, dense, %",
            "pruned, %",
            "read back, %",
        ),
        map(cells, LENET5),
    )


def sonnets() -> str:
    """Return that of the transformer on the sonnets."""
    record = record_of("sonnets_transformer")

    smaller = markdown.spread(_of_seeds(record, "ratio_jxc"), 1)
    sizes = {
        "dense": f"{record['mean']['bytes_float32']:,.0f}",
        "read_back": f"**{record['mean']['bytes_jxc']:,.0f}** ({smaller} times smaller)",
    }
    nonzeros = {"dense": f"{record['weights']:,}", "read_back": _nonzeros(record).split()[0]}
    return markdown.table(
        (
            "network",
            "cross-entropy, bits per character",
            "accuracy, %",
            "non-zero weights",
            "bytes",
        ),
        [
            (
                _FORM_NAMES[form],
                markdown.spread(_of_seeds(record, f"test_bits_{form}"), 2),
                _percent(record, form, 1),
                nonzeros.get(form, "-"),
                sizes.get(form, "-"),
            )
            for form in _FORMS
        ],
    )


def cifar10() -> str:
    """Return that of VGG-16 and ResNet-20 on the JPEG copy of CIFAR-10."""
    records = [record_of(name) for name in ("cifar10_vgg16", "cifar10_resnet20")]

    def error(record: dict[str, Any], form: str) -> str:
        errors = _errors(record, form)
        return f"{errors[0]:.2f}" if len(record["seeds"]) == 1 else markdown.spread(errors, 2)

    rows = [
        (f"test error, {_FORM_NAMES[form]}, %", *(error(record, form) for record in records))
        for form in _FORMS
    ]
    rows.append(("non-zero weights", *map(_nonzeros, records)))
    sizes = (f"{record['mean']['bytes_float32']:,.0f}" for record in records)
    rows.append(("bytes, float32", *sizes))
    rows.append(
        ("bytes (times smaller), `model.jxc`", *(f"**{_size(one, 'jxc')}**" for one in records))
    )
    rows.append(("seeds", *(str(len(record["seeds"])) for record in records)))
    return markdown.table(("", "VGG-16", "ResNet-20"), rows)


def _of_seeds(record: dict[str, Any], key: str) -> tuple[float, ...]:
    """Return the mean of a number over the seeds, its smallest and its largest value."""
    return tuple(record[part][key] for part in ("mean", "min", "max"))


def _errors(record: dict[str, Any], form: str) -> tuple[float, ...]:
    """Return the test error in percent: the mean over the seeds, the smallest and the largest."""
    accuracies = _of_seeds(record, f"test_accuracy_{form}")
    mean, high, low = (100 - 100 * accuracy for accuracy in accuracies)
    return mean, low, high


def _percent(record: dict[str, Any], form: str, digits: int) -> str:
    accuracies = _of_seeds(record, f"test_accuracy_{form}")
    return markdown.spread([100 * accuracy for accuracy in accuracies], digits)


def _size(record: dict[str, Any], form: str) -> str:
    """Write the bytes of a form, and how many times smaller than float32 it is."""
    return f"{record['mean'][f'bytes_{form}']:,.0f} ({record['mean'][f'ratio_{form}']:.1f})"


def _nonzeros(record: dict[str, Any]) -> str:
    return f"{record['mean']['nonzero_weights']:,.0f} of {record['weights']:,}"
