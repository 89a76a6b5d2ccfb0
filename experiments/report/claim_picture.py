"""The figure of the record of `experiments.sweeps.claim`.

python -m experiments.report.claim_picture

It draws `experiments/results/claim_mnist.png`.
"""

from experiments.report.plots.claim import claim_figure
from experiments.report.plots.files import save
from experiments.report.records import RESULTS, record_of

RECORD = "claim_mnist"


def main() -> None:
    """The command."""
    save(claim_figure(record_of(RECORD)), RESULTS / f"{RECORD}.png")


if __name__ == "__main__":
    main()
