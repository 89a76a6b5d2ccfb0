"""The data base of a search: new, shared, and lost."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import optuna
import pytest
import sqlalchemy

from experiments.mistakes import in_one_line
from experiments.sweeps import data_base
from experiments.sweeps.data_base import opened


def test_searches_that_start_at_once_on_a_new_data_base(tmp_path):
    start = threading.Barrier(4)

    def ask(number):
        start.wait()
        with opened(None, "one", tmp_path) as study:
            study.tell(study.ask(), (number, -number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    with opened(None, "one", tmp_path) as study:
        assert sorted(trial.values[0] for trial in study.trials) == list(range(4))


def made_by_others(times, monkeypatch):
    """A data base whose tables others make at the same moment, so many times."""
    tried, make = [], optuna.storages.RDBStorage.__init__
    others = sqlalchemy.exc.IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))

    def init(self, *arguments, **options):
        tried.append(1)
        if len(tried) <= times:
            raise others
        make(self, *arguments, **options)

    monkeypatch.setattr(optuna.storages.RDBStorage, "__init__", init)
    monkeypatch.setattr(data_base, "_PAUSES", (0, 0, 0))
    return tried


def test_tables_that_others_make_are_found_in_the_next_try(tmp_path, monkeypatch):
    tried = made_by_others(3, monkeypatch)
    with opened(None, "one", tmp_path):
        assert len(tried) == 4


def test_a_data_base_that_cannot_be_used_is_one_line(tmp_path, monkeypatch):
    made_by_others(4, monkeypatch)
    with pytest.raises(OSError, match=r"search\.db cannot be used: .*UNIQUE constraint"):
        opened(None, "one", tmp_path).__enter__()
    monkeypatch.undo()
    monkeypatch.setattr(data_base, "_PAUSES", ())
    (tmp_path / "text.db").write_text("not a data base, " * 100)
    for url in (f"sqlite:///{tmp_path}/text.db", f"sqlite:///{tmp_path}/no/where.db", "nonsense"):
        with pytest.raises(OSError, match=r"^the data base [^\n]* cannot be used: [^\n]+$"):
            opened(url, "one", tmp_path).__enter__()


def test_a_password_is_not_shown():
    assert "secret" not in data_base._shown("mysql://me:secret@host/base")


def lock(path, held):
    connection = held.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
    connection.execute("BEGIN EXCLUSIVE")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path, _: path.unlink(), "no such table"),
        (lambda path, _: path.write_text("not a data base, " * 1000), "file is not a database"),
        (lambda path, _: path.write_text(""), "no such table"),
        (lock, "database is locked"),
    ],
    ids=["deleted", "overwritten", "emptied", "locked"],
)
@pytest.mark.parametrize("in_a_trial", [True, False])
def test_a_data_base_that_is_lost_on_the_way_is_one_line(
    tmp_path, monkeypatch, capfd, damage, reason, in_a_trial
):
    monkeypatch.setattr(data_base, "_LOCKED_SECONDS", 0.01)

    def objective(trial):
        if in_a_trial:
            damage(tmp_path / "search.db", held)
        trial.set_user_attr("diverged", "at step 3")
        return 1.0, 2.0

    @in_one_line()
    def command():
        with opened(None, "one", tmp_path) as study:
            study.optimize(objective, n_trials=1)
            damage(tmp_path / "search.db", held)
            study.optimize(objective, n_trials=1)

    line = rf"^error: .*search\.db cannot be used: .*{reason}.*--workdir or --storage$"
    with ExitStack() as held, pytest.raises(SystemExit, match=line):
        command()
    assert capfd.readouterr().err == ""


def test_a_fault_of_a_trial_is_not_one_of_the_data_base(tmp_path):
    with pytest.raises(ZeroDivisionError), opened(None, "one", tmp_path) as study:
        study.optimize(lambda trial: (1 / 0, 0.0), n_trials=1)
