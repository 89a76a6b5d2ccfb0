"""The command that prints tables of records."""

import json
import re
import sys

import pytest

from experiments.report.documents import TABLES
from experiments.report.table import main
from tests.helpers import RESULTS
from tests.test_screen import HOSTILE, only_lines

LENET300 = RESULTS / "mnist_lenet300.json"
PUBLISHED = "--published", RESULTS / "published.json"


@pytest.fixture
def shown(monkeypatch, capsys):
    """What the command prints with these arguments."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["table", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return run


def test_records_stand_beside_published_rows(shown):
    records = (RESULTS / f"mnist_lenet300{end}.json" for end in ("", "_shifted"))
    assert shown(*records, *PUBLISHED).strip() == TABLES["mnist-lenet300"]()
    assert "arXiv 1906.06624" in shown(LENET300, *PUBLISHED)


def test_a_record_of_penalties_makes_a_table_of_its_own(shown):
    assert shown(RESULTS / "penalties_mnist.json").strip() == TABLES["penalties"]()
    with pytest.raises(SystemExit, match="makes a table of its own: give it alone"):
        shown(RESULTS / "penalties_mnist.json", LENET300)


def test_what_is_shown_is_drawn(shown, tmp_path):
    assert "mnist_lenet300" in shown(LENET300, "--figure", tmp_path / "results.png")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_used_is_named(shown, tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"config": {"model": "lenet_300_100"}}')
    for arguments, message in (
        ([tmp_path / "nowhere.json"], "error: .*No such file"),
        ([other], "error: a file is not a record of results"),
        ([LENET300, other], "error: a file is not a record"),
        ([LENET300, RESULTS / "mnist_lenet5.json"], "error: the records are of several models"),
    ):
        with pytest.raises(SystemExit, match=message):
            shown(*arguments)


def test_every_error_is_one_line(shown, tmp_path):
    record = tmp_path / f"{HOSTILE.replace('/', '-')}.json"
    record.write_text(json.dumps({"penalties": [], HOSTILE: 1}))
    (tmp_path / "models.json").write_text(json.dumps({"config": {"model": HOSTILE}}))
    for arguments in ([record], [f"{record}.none"], [tmp_path / "models.json", LENET300]):
        with pytest.raises(SystemExit) as stop:
            shown(*arguments)
        assert stop.value.code.isprintable(), arguments


def test_cells_stay_cells(shown, tmp_path):
    record = json.loads(LENET300.read_text())
    model = record["config"]["model"]
    record["config"]["name"] = f"a|b{HOSTILE}"
    path, published = tmp_path / "a|b.json", tmp_path / "published.json"
    path.write_text(json.dumps(record))
    row = {"method": f"|{HOSTILE}", "source": f"{HOSTILE}|", "test_error": 1.0}
    published.write_text(json.dumps({model: [row]}))
    out = shown(path, "--published", published)
    assert only_lines(out)
    lines = out.splitlines()
    assert len(lines) == 4  # headings, the line below, our row and the published one
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {8}
