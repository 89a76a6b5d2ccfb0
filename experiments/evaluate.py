"""Judge the file of a finished run on the test split, from the run's folder alone.

python -m experiments.evaluate WORKDIR

Reads WORKDIR/config.json and WORKDIR/model.jxc and prints one line of JSON.
"""

import argparse
from pathlib import Path

import jaxcomp
from experiments.mistakes import in_one_line
from experiments.report.evaluation import judged
from experiments.settings.networks import NetworkSettings
from experiments.settings.settings import DataSettings
from experiments.training.objective import classification_metrics
from jaxcomp import strict_json
from jaxcomp.strict_json import DamagedFileError

MODEL_FILE = "model.jxc"
CONFIG_FILE = "config.json"


@in_one_line()
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
    config = strict_json.read(workdir / CONFIG_FILE, "write the configuration of the run anew")
    try:
        name, data, seed = config["model"], config["data"]["name"], config["data"]["split_seed"]
        model, data = NetworkSettings(name, data).to_evaluate(), DataSettings(data, seed)
    except (KeyError, TypeError) as error:
        raise DamagedFileError(
            f"{workdir / CONFIG_FILE} is not a configuration: {error}"
        ) from error

    try:
        params = jaxcomp.load(workdir / MODEL_FILE)
    except jaxcomp.FormatError as error:
        raise DamagedFileError(f"{workdir / MODEL_FILE}: {error}: make the run again") from error
    metrics = classification_metrics(model.apply)
    print(strict_json.dumps({"test": judged(metrics, params, data.load().test)}))


if __name__ == "__main__":
    main()
