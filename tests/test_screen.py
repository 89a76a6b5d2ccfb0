"""What comes from files is shown as it is, and cannot change the screen."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table

import jaxcomp
from jaxcomp.cli import main
from jaxcomp.printable import printable, table_cell
from jaxcomp.screen import PlainConsole
from tests.helpers import ROOT

HOSTILE = "w[/]\x1b]0;title\x07[bold]x\r\n:smile:\x9b2J\u202e\\[bias]"
SHOWN = "w[/]\\x1b]0;title\\x07[bold]x\\r\\n:smile:\\x9b2J\\u202e\\[bias]"


def only_lines(text):
    return all(line.isprintable() for line in text.split("\n"))


def test_what_is_not_printable_is_escaped_and_the_rest_is_not():
    assert printable(HOSTILE) == SHOWN
    assert printable("Dense_0/kernel, Größe, 重み") == "Dense_0/kernel, Größe, 重み"
    assert printable("\udcff") == "\\udcff"  # of a path that is no text
    assert table_cell("a|b\n") == "a\\|b\\n"
    assert all(printable(chr(i)).isprintable() for i in range(0x3100))


def test_a_console_shows_strings_as_they_are(capsys):
    console = PlainConsole(width=400)
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    console.print(table)
    console.print(HOSTILE, HOSTILE)
    shown = capsys.readouterr().out
    assert shown.count(SHOWN) == 5
    assert only_lines(shown)


def test_no_command_has_another_console():
    made = {
        path
        for folder in (*jaxcomp.__path__, ROOT / "experiments")
        for path in Path(folder).rglob("*.py")
        if re.search(r"(?<!Plain)Console\(", path.read_text())
    }
    assert not made


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    path = tmp_path / f"{HOSTILE.replace('/', '-')}.jxc"
    jaxcomp.save(path, {HOSTILE: np.ones((2, 2), np.float32), "w[bias]": np.ones(2)})
    return path


def test_inspect_shows_names_and_paths_as_they_are(file, capsys):
    assert main(["inspect", str(file)]) == 0
    shown = capsys.readouterr().out
    assert only_lines(shown)
    assert SHOWN in shown
    title = "".join(shown.split("tensor")[0].split())  # it goes on in a second line
    assert SHOWN.replace("/", "-") in title
    assert "w[bias]" in shown
    assert main(["inspect", str(file), "--json"]) == 0
    assert HOSTILE in {t["name"] for t in json.loads(capsys.readouterr().out)["tensors"]}


def test_every_error_is_one_line(file, tmp_path, capsys):
    damaged = tmp_path / f"damaged {file.name}"
    damaged.write_bytes(file.read_bytes()[:-1])
    text = tmp_path / "names.npz"
    np.savez(text, **{HOSTILE.replace("/", "-"): np.array([{}], object)})
    other = tmp_path / "other.npz"
    np.savez(other, w=np.ones(1))
    for arguments in (
        ["inspect", f"{file}.none"],
        ["inspect", damaged],
        ["inspect", file, "--original", other],
        ["decompress", damaged, "-o", tmp_path / "x.npz"],
        ["decompress", file, "-o", tmp_path / HOSTILE / "x.npz"],
        ["compress", text, "-o", tmp_path / "x.jxc"],
        ["compress", other, "-o", tmp_path / HOSTILE],
    ):
        assert main(list(map(str, arguments))) == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.endswith("\n")
        assert shown.err[:-1].isprintable(), arguments
