"""The records of results, read from their folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxcomp import strict_json

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
_REMEDY = "check it out again"


def record_of(name: str) -> dict[str, Any]:
    """Return the record of a name."""
    return strict_json.read(RESULTS / f"{name}.json", _REMEDY)


def records_of(folder: Path, kind: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the records `KIND_NAME.json` of a folder, those that there are, by name."""
    paths = {name: folder / f"{kind}_{name}.json" for name in names}
    return {name: strict_json.read(path, _REMEDY) for name, path in paths.items() if path.exists()}
