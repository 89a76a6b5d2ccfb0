"""What a user can act on is one line."""

import logging

import pytest

from experiments.mistakes import in_one_line, show_warnings
from jaxcomp.strict_json import DamagedFileError


@pytest.mark.parametrize(
    "mistake",
    [
        FileNotFoundError(2, "No such file or directory", "data"),
        ImportError("pip install it"),
        DamagedFileError("x.json is damaged"),
        KeyError("of this command alone"),
    ],
)
def test_a_mistake_is_one_line(mistake):
    @in_one_line(KeyError)
    def command():
        raise mistake

    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == f"error: {mistake}"


def test_a_fault_of_the_program_is_none():
    with pytest.raises(ZeroDivisionError), in_one_line():
        raise ZeroDivisionError


def test_warnings_of_this_project_are_lines_on_stderr(capsys, monkeypatch):
    for name in ("jaxcomp", "experiments", "asyncio"):
        logger = logging.getLogger(name)
        for setting in ("handlers", "level", "propagate"):
            monkeypatch.setattr(logger, setting, getattr(logger, setting))
        monkeypatch.setattr(logger, "handlers", list(logger.handlers))
    show_warnings()
    logging.getLogger("jaxcomp.train").warning("%d states are passed over", 2)
    logging.getLogger("experiments.run.lock").warning("100% sure")
    logging.getLogger("jaxcomp.train").info("not seen")
    assert capsys.readouterr().err == ("warning: 2 states are passed over\nwarning: 100% sure\n")
