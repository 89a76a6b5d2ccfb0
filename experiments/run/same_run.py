"""Whether the checkpoints of a run are those of the same configuration."""

import json
from pathlib import Path

from ml_collections import ConfigDict

from experiments.settings.keys import leaves
from jaxcomp import strict_json
from jaxcomp.strict_json import DamagedFileError

STOPPED = 75  # exit status of a run that can go on: EX_TEMPFAIL of sysexits.h


def check_same_run(folder: Path, before: Path, config: str) -> None:
    """Refuse to go on with checkpoints of another configuration.

    Args:
      folder: that of the checkpoints.
      before: the file with the configuration that they are of.
      config: the configuration as JSON.

    Raises:
      ValueError: names the keys that differ, or the file if it is damaged.
    """
    if not folder.is_dir() or not before.is_file():
        return
    remedy = (
        f"delete it if the checkpoints in {folder} are of the configuration that you give now, and "
        "these checkpoints if not"
    )
    written = strict_json.read(before, remedy)
    if not isinstance(written, dict):
        raise DamagedFileError(f"{before} is damaged, it is no configuration: {remedy}")
    one, other = (dict(leaves(ConfigDict(values))) for values in (written, json.loads(config)))
    differing = sorted(key for key in one | other if one.get(key) != other.get(key))
    if differing:
        raise ValueError(
            f"{folder} has checkpoints of a run with other values of {', '.join(differing)}: "
            "give the same configuration to go on, another --workdir, or delete the folder"
        )
