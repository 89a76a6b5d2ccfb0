"""Gather the reports of runs that differ in their seed into one small record of a result.

python -m experiments.report.collect WORKDIR... > experiments/results/NAME.json

The record has the configuration, commit, versions and device that the runs share, the numbers of
each seed, and their mean, minimum and maximum over the seeds.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from experiments.mistakes import in_one_line
from jaxcomp import strict_json

SHARED = ("commit", "versions", "python", "device", "test_examples")


@in_one_line()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="One record of runs that differ in their seed.")
    parser.add_argument("workdirs", nargs="+", type=Path, metavar="WORKDIR")
    reports = []
    for workdir in parser.parse_args().workdirs:
        path = workdir / "report.json"
        if not path.is_file():
            parser.error(f"there is no {path}: give workdirs of finished runs")
        reports.append(strict_json.read(path, "make the run again"))
    try:
        record = collect(reports)
    except ValueError as error:
        sys.exit(f"error: {error}")
    print(strict_json.dumps(record, indent=1))


def collect(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of a result from the reports of its runs (`experiments.main`).

    Raises:
      ValueError: if two runs have the same seed, or differ in anything but the seed, or a number of
        a run is not finite.
    """
    common = [
        {"config": {**report["config"], "seed": None}, **{key: report[key] for key in SHARED}}
        for report in reports
    ]
    for key in common[0]:
        if any(one[key] != common[0][key] for one in common):
            raise ValueError(f"the runs differ in their {key}: collect runs of one experiment")
    seeds = [report["seed"] for report in reports]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"a seed is there twice: {seeds}")
    numbers = {report["seed"]: _numbers(report) for report in reports}
    for seed, run in numbers.items():
        for key, value in run.items():
            if value is None:  # as which reports have what is not finite
                raise ValueError(f"{key} of seed {seed} is not finite: look into this run")
    statistic = {"mean": statistics.fmean, "min": min, "max": max}
    return {
        **common[0],
        "weights": reports[0]["storage"]["weights"],
        "seeds": {str(seed): numbers[seed] for seed in sorted(numbers)},
        **{
            name: {key: f(run[key] for run in numbers.values()) for key in numbers[seeds[0]]}
            for name, f in statistic.items()
        },
    }


def _numbers(report: dict[str, Any]) -> dict[str, float]:
    stored = report["storage"]
    return {
        **{f"test_accuracy_{name}": value for name, value in report["test_accuracy"].items()},
        **{f"test_bits_{name}": value for name, value in report["test_bits"].items()},
        **{
            f"validation_accuracy_{name}": report["validation_accuracy"][name]
            for name in ("quantized", "compressed")
        },
        "nonzero_weights": stored["nonzero_weights"],
        **{f"bytes_{name}": size for name, size in stored["bytes"].items()},
        **{f"ratio_{name}": ratio for name, ratio in stored["ratio_to_float32"].items()},
        "bits_per_weight_jxc": stored["bits_per_weight"]["jxc"],
        "seconds": report["seconds"],
    }


if __name__ == "__main__":
    main()
