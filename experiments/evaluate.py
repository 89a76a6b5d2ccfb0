"""Judge the file of a finished run on the test split, from the run's folder alone.

python -m experiments.evaluate WORKDIR

Reads WORKDIR/config.json and WORKDIR/model.jxc and prints one line of JSON.
"""

import argparse
import json
from pathlib import Path

import jaxcomp
from experiments.judge import judged
from experiments.objective import classification_metrics
from jaxcomp.data import DATASETS
from jaxcomp.models import MODELS

MODEL_FILE = "model.jxc"
CONFIG_FILE = "config.json"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description="How good the file that a run has written is, as one line of JSON."
    )
    parser.add_argument("workdir", type=Path, help=f"folder with {CONFIG_FILE} and {MODEL_FILE}")
    workdir = parser.parse_args().workdir
    for name in (CONFIG_FILE, MODEL_FILE):
        if not (workdir / name).is_file():
            parser.error(f"there is no {workdir / name}: give the workdir of a finished run")
    config = json.loads((workdir / CONFIG_FILE).read_text())

    params = jaxcomp.load(workdir / MODEL_FILE)
    model = MODELS[config["model"]]()
    test = DATASETS[config["data"]["name"]](config["data"]["split_seed"]).test
    metrics = classification_metrics(model.apply)
    print(json.dumps({"test": judged(metrics, params, test)}))


if __name__ == "__main__":
    main()
