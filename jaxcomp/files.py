"""Writes files that appear whole or not at all."""

import errno
import hashlib
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LONGEST_SUFFIX = 16  # a suffix that tells the format, in characters; names may have 255 bytes
_at_work: set[str] = set()  # names of the temporary files that this process writes


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its suffix, to write to; it is then moved there.

    If writing fails or is interrupted, an earlier file at `path` is untouched, and nothing is left
    beside it. A process that is killed leaves its temporary file; the next one that writes to
    `path` on the same machine removes it.

    A file that is replaced keeps its permissions, its owner and its group; a link stays, and the
    file that it points to is replaced.

    Raises:
      OSError: if the file cannot be written or moved, or something at `path` is not a regular file.
        The error names `path`, and so do errors of the writer that name the temporary file or none.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxcomp.files import replacing
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "model.txt")
      ...     with replacing(path) as temporary:
      ...         size = temporary.write_text("whole")
      ...         before = path.exists()
      ...     before, path.read_text()
      (False, 'whole')
    """
    before = check_replaceable(path)
    target = Path(os.path.realpath(path))
    ours = f".{_digest(target.name)}-{_digest(socket.gethostname())}-"
    _remove_leftovers(target.parent, ours)
    suffix = target.suffix[-_LONGEST_SUFFIX:]
    temporary = target.with_name(f"{ours}{os.getpid()}-{secrets.token_hex(4)}{suffix}")
    _at_work.add(temporary.name)
    try:
        with naming(path, temporary):
            # A private file stays private while it is written; new files follow the umask.
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            os.close(os.open(temporary, flags, 0o600 if before else 0o666))
            like = before or os.stat(temporary)
            yield temporary
            with open(temporary, "rb+") as file:
                _make_like(file.fileno(), like)
                os.fsync(file.fileno())
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        _at_work.discard(temporary.name)


def check_replaceable(path: str | os.PathLike) -> os.stat_result | None:
    """Check that `replacing` can put a file at `path`; return the status of the old one, or None.

    Raises:
      OSError: if the path is not a regular file, or its folder does not exist.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(os.path.realpath(path))):
            raise
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        # A rename would put a file in the place of a pipe or a device.
        raise OSError(errno.EINVAL, "Not a regular file: give the path of one", str(path))
    return found


@contextmanager
def naming(path: str | os.PathLike, temporary: Path | None = None) -> Iterator[None]:
    """Name `path` in errors of the system that name no file, or the temporary one.

    Errors of opening a file name the file, but errors of reading from it or writing to it do not.
    """
    try:
        yield
    except OSError as error:
        nameless = error.filename is None or str(error.filename) == str(temporary)
        if error.errno is None or not nameless:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _make_like(descriptor: int, like: os.stat_result) -> None:
    """Give a file the owner, the group and the permissions of another, as far as allowed."""
    now, mode = os.fstat(descriptor), stat.S_IMODE(like.st_mode)
    if now.st_gid != like.st_gid:
        try:
            os.fchown(descriptor, -1, like.st_gid)
        except PermissionError:
            # The file belongs to another group now, which may do what everyone may.
            mode = mode & ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
    if now.st_uid != like.st_uid:
        with suppress(PermissionError):
            os.fchown(descriptor, like.st_uid, -1)
    if stat.S_IMODE(now.st_mode) != mode:
        os.fchmod(descriptor, mode)


def _remove_leftovers(folder: Path, ours: str) -> None:
    """Remove temporary files of a path that dead processes of this machine have left."""
    with suppress(OSError):  # leftovers do no harm
        for name in os.listdir(folder):
            if name.startswith(ours) and not _is_at_work(name, name[len(ours) :].partition("-")[0]):
                (folder / name).unlink(missing_ok=True)


def _is_at_work(name: str, process: str) -> bool:
    if process == str(os.getpid()):  # or an earlier process of this number, as in containers
        return name in _at_work
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError):  # such as a process of another user
        return True
    return True


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=4).hexdigest()
