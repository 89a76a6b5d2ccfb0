"""The data base of a search: its trials, also those of other processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna
import sqlalchemy

_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between tries to make the tables of a data base
_LOCKED_SECONDS = 60  # how long a search waits while others write to a file of SQLite
_FAULTS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)


@contextmanager
def opened(url: str | None, name: str, workdir: Path) -> Iterator[optuna.Study]:
    """Open the search of this name, new or as it was left; its data base is closed at the end.

    Raises:
      OSError: if the data base cannot be used, at the start or later; says what to do.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # its warnings are tracebacks
    url = url or f"sqlite:///{workdir / 'search.db'}"
    try:
        storage = _data_base(url)
    except (*_FAULTS, RuntimeError) as error:  # the last: tables of another version
        raise _unusable(url, error) from error
    try:
        yield optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["minimize", "minimize"],
            load_if_exists=True,
        )
    except Exception as error:
        if (fault := _fault_behind(error)) is None:
            raise
        raise _unusable(url, fault) from error
    finally:
        with suppress(*_FAULTS):
            storage.remove_session()
        storage.engine.dispose()


def _data_base(url: str) -> optuna.storages.RDBStorage:
    """Open a data base, with new tables where it has none.

    Of searches that start at the same moment each makes the tables, and all but one fail somewhere
    on the way: they find the tables when they try again.
    """
    waits = {"connect_args": {"timeout": _LOCKED_SECONDS}} if url.startswith("sqlite:") else {}
    for pause in _PAUSES:
        with suppress(sqlalchemy.exc.DBAPIError, optuna.exceptions.StorageInternalError):
            return optuna.storages.RDBStorage(url, engine_kwargs=waits)
        time.sleep(pause)
    return optuna.storages.RDBStorage(url, engine_kwargs=waits)


def _fault_behind(error: BaseException | None) -> Exception | None:
    """Return the fault of the data base that led to an error, or None if there was none.

    Optuna fails in several ways once it cannot note that a trial has failed.
    """
    while error is not None and not isinstance(error, _FAULTS):
        error = error.__cause__ or error.__context__
    return error


def _unusable(url: str, fault: Exception) -> OSError:
    # Optuna only says that something went wrong; what it was is in the cause.
    first = fault.__cause__ if isinstance(fault.__cause__, _FAULTS) else fault
    reason = str(first).partition("\n")[0]
    return OSError(
        f"the data base {_shown(url)} cannot be used: {reason}: if others hold it, give the same "
        "command when they are done; if it is lost, search anew with another --workdir or --storage"
    )


def _shown(url: str) -> str:
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return "of --storage"
