"""Files appear whole or not at all, where they belong, and as private as they were."""

import contextlib
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import jaxcomp
from jaxcomp.checkpoints import CheckpointError, write_checkpoint
from jaxcomp.cli import main
from jaxcomp.compression import arrays
from jaxcomp.files import replacing

NO_PROCESS = 2**22 + 1  # beyond the numbers that Linux gives


def save_jxc(path, value=1.0):
    jaxcomp.save(path, {"w": np.full(3, value)})


def save_other(path, value=1.0):
    write_checkpoint(path, [(("w",), np.full(3, value))])


WRITERS = [("w.jxc", save_jxc), ("w.npz", save_other), ("w.safetensors", save_other)]
by_each_writer = pytest.mark.parametrize(("name", "write"), WRITERS)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("before", [0o600, 0o640, 0o444, 0o664])
@by_each_writer
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, name, write, before):
    path = tmp_path / name
    path.write_text("old")
    path.chmod(before)
    write(path)
    assert mode(path) == before
    assert path.read_bytes() != b"old"
    assert os.listdir(tmp_path) == [name]


@by_each_writer
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path, name, write):
    for mask, expected in ((0o022, 0o644), (0o027, 0o640), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            write(tmp_path / f"{mask}{name}")
        finally:
            os.umask(before)
        assert mode(tmp_path / f"{mask}{name}") == expected


def test_a_private_file_is_private_while_it_is_written(tmp_path):
    path = tmp_path / "w.jxc"
    path.write_text("old")
    path.chmod(0o640)
    with replacing(path) as temporary:
        assert mode(temporary) == 0o600
        temporary.write_text("new")
    assert mode(path) == 0o640


def test_a_group_that_cannot_be_kept_gets_what_all_have(tmp_path, monkeypatch):
    path = tmp_path / "w.jxc"
    path.write_text("old")
    path.chmod(0o664)
    found = os.stat(path)

    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    other = os.stat_result((*found[:5], found.st_gid + 1, *found[6:]))
    monkeypatch.setattr("jaxcomp.files.check_replaceable", lambda path: other)
    monkeypatch.setattr(os, "fchown", refuse)
    save_jxc(path)
    assert mode(path) == 0o644


@by_each_writer
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path, name, write):
    (tmp_path / "there").mkdir()
    target, link, chain = tmp_path / "there" / name, tmp_path / name, tmp_path / f"c.{name}"
    link.symlink_to(os.path.join("there", name))
    chain.symlink_to(link)
    write(link)  # to a file that is not there yet
    first = target.read_bytes()
    target.chmod(0o600)
    write(chain, 2.0)
    assert link.is_symlink()
    assert chain.is_symlink()
    assert target.read_bytes() != first
    assert mode(target) == 0o600
    assert os.listdir(target.parent) == [name]


@by_each_writer
def test_what_is_no_file_is_refused_and_stays(tmp_path, name, write):
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(OSError, match="Not a regular file") as refused:
        write(path)
    assert refused.value.filename == str(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    path.unlink()
    path.symlink_to(os.devnull)
    with pytest.raises(OSError, match="Not a regular file"):
        write(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        write(path)
    assert (refused.value.filename, refused.value.filename2) == (str(path), None)
    path.rmdir()
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        write(path)
    assert os.listdir(tmp_path) == [name]


@by_each_writer
@pytest.mark.parametrize("length", [*range(246, 256)])
def test_names_as_long_as_there_are(tmp_path, name, write, length):
    path = tmp_path / f"{'n' * (length - len(name))}{name}"
    write(path)
    write(path, 2.0)
    assert os.listdir(tmp_path) == [path.name]


def test_long_suffixes_and_letters_of_several_bytes(tmp_path):
    for name in ("é" * 125 + ".jxc", "n." + "é" * 126, "\udcff.jxc"):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text(name, errors="surrogateescape")
        assert os.listdir(tmp_path) == [name]
        (tmp_path / name).unlink()


def leftover(path, monkeypatch, process=NO_PROCESS, host=None):
    """What a process that was killed has left."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: process)
        if host:
            patched.setattr(socket, "gethostname", lambda: host)
        with replacing(path) as temporary:
            temporary.write_text("whole")
    path.unlink()
    temporary.write_text("half")
    return temporary


def test_leftovers_of_dead_processes_are_removed_by_the_next_write(tmp_path, monkeypatch):
    path = tmp_path / "w.jxc"
    one, earlier = leftover(path, monkeypatch), leftover(path, monkeypatch, os.getpid())
    kept = {
        leftover(path, monkeypatch, os.getppid()).name,  # at work
        leftover(path, monkeypatch, host="elsewhere").name,  # whose processes are not known
        leftover(tmp_path / "other.jxc", monkeypatch).name,
    }
    foreign = tmp_path / f"{one.name.partition(str(NO_PROCESS))[0]}what"
    foreign.write_text("of another program")
    save_jxc(path)
    assert not one.exists()
    assert not earlier.exists()
    assert set(os.listdir(tmp_path)) == {"w.jxc", foreign.name} | kept


def test_two_threads_write_to_one_name(tmp_path):
    path, failures = tmp_path / "w.jxc", []

    def write():
        try:
            for value in range(20):
                save_jxc(path, value)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert os.listdir(tmp_path) == ["w.jxc"]


@contextlib.contextmanager
def small_files():
    """Files of this process can grow to 100 bytes, as if the disk were full; so can its output."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def checkpoint(tmp_path):
    noise = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32)
    write_checkpoint(tmp_path / "in.safetensors", [(("w",), noise)])
    jaxcomp.save(tmp_path / "in.jxc", {"w": noise})
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["compress", "in.safetensors", "-o", "out.jxc"], "out.jxc"),
        (["decompress", "in.jxc", "-o", "out.npz"], "out.npz"),
        (["decompress", "in.jxc", "-o", "out.safetensors"], "out.safetensors"),
    ],
)
def test_a_full_disk_is_one_line_that_names_the_output(
    checkpoint, monkeypatch, capsys, arguments, named
):
    monkeypatch.chdir(checkpoint)
    (checkpoint / named).write_text("old")
    there = set(os.listdir(checkpoint))
    with small_files():
        assert main(arguments) == 1
    assert capsys.readouterr().err == f"jaxcomp: {named}: File too large\n"
    assert (checkpoint / named).read_text() == "old"
    assert set(os.listdir(checkpoint)) == there


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["compress", "in.safetensors", "-o", "no/x.jxc"], "no/x.jxc: No such file or directory"),
        (["compress", "in.safetensors", "-o", "d.jxc"], "d.jxc: Is a directory"),
        (["compress", "in.safetensors", "-o", "link.jxc"], "link.jxc: the output is a link"),
        (
            ["compress", "no.safetensors", "-o", "x.jxc"],
            "no.safetensors: No such file or directory",
        ),
        (["compress", "d.safetensors", "-o", "x.jxc"], "d.safetensors: Is a directory"),
        (["compress", "no.npz", "-o", "x.jxc"], "no.npz: No such file or directory"),
        (["compress", "no.msgpack", "-o", "x.jxc"], "no.msgpack: No such file or directory"),
        (["compress", "no", "-o", "x.jxc"], "no: No such file or directory"),
        (["decompress", "in.jxc", "-o", "no/x.safetensors"], "no/x.safetensors: No such file or"),
        (["decompress", "in.jxc", "-o", "no/x.npz"], "no/x.npz: No such file or directory"),
        (["decompress", "in.jxc", "-o", "d.npz"], "d.npz: Is a directory"),
        (["decompress", "in.jxc", "-o", "pipe.npz"], "pipe.npz: Not a regular file"),
        (["decompress", "in.jxc", "-o", "link.npz"], "link.npz: the output is a link"),
        (["decompress", "no.jxc", "-o", "x.npz"], "no.jxc: No such file or directory"),
    ],
)
def test_errors_name_the_right_file_once(checkpoint, monkeypatch, capsys, arguments, line):
    monkeypatch.chdir(checkpoint)
    for name in ("d.jxc", "d.npz", "d.safetensors"):
        os.mkdir(name)
    os.mkfifo("pipe.npz")
    os.symlink("in.safetensors", "link.jxc")
    os.symlink("in.jxc", "link.npz")
    there = set(os.listdir())
    assert main(arguments) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"jaxcomp: {line}")
    assert shown.count("\n") == 1
    assert shown.count(line.partition(":")[0]) == 1
    assert set(os.listdir()) == there


def test_an_error_of_reading_names_the_input(checkpoint, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise OSError(5, "Input/output error")

    monkeypatch.chdir(checkpoint)
    save_other(checkpoint / "in.npz")
    monkeypatch.setattr("pathlib.Path.read_bytes", fail)
    monkeypatch.setattr("jaxcomp.codec.container.open", fail, raising=False)
    monkeypatch.setattr("jaxcomp.checkpoints.npz_file.npy.read_array", fail)
    assert main(["decompress", "in.jxc", "-o", "out.npz"]) == 1
    assert capsys.readouterr().err == "jaxcomp: in.jxc: Input/output error\n"
    for name in ("in.msgpack", "in.npz"):  # the second fails while the output is written
        assert main(["compress", name, "-o", "out.jxc"]) == 1
        assert capsys.readouterr().err == f"jaxcomp: {name}: Input/output error\n"


def test_the_name_of_safetensors_metadata_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="'__metadata__'"):
        write_checkpoint(tmp_path / "w.safetensors", [(("__metadata__",), np.ones(1))])
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_stopped_cleans_up_and_says_so(checkpoint, monkeypatch, capsys, number):
    def stop(*arguments):
        assert len(os.listdir(checkpoint)) == 3  # the temporary file is there
        signal.raise_signal(number)

    monkeypatch.chdir(checkpoint)
    monkeypatch.setattr(arrays, "_change", stop)
    default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, default)
    with pytest.raises(SystemExit) as ended:
        main(["compress", "in.safetensors", "-o", "out.jxc"])
    assert ended.value.code == 128 + number
    assert capsys.readouterr().err == f"jaxcomp: stopped by {number.name}\n"
    assert set(os.listdir(checkpoint)) == {"in.safetensors", "in.jxc"}
    assert signal.signal(number, before) == default


def test_a_signal_that_is_ignored_stays_so(checkpoint, monkeypatch):
    monkeypatch.chdir(checkpoint)
    change = arrays._change

    def told(*arguments):
        signal.raise_signal(signal.SIGHUP)
        return change(*arguments)

    monkeypatch.setattr(arrays, "_change", told)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
    try:
        assert main(["compress", "in.safetensors", "-o", "out.jxc"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_command_can_run_in_another_thread(checkpoint):
    ended = []
    arguments = ["compress", str(checkpoint / "in.safetensors"), "-o", str(checkpoint / "out.jxc")]
    thread = threading.Thread(target=lambda: ended.append(main(arguments)))
    thread.start()
    thread.join()
    assert ended == [0]


@pytest.mark.slow
@pytest.mark.usefixtures("signals_not_ignored")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_process_that_is_stopped_leaves_nothing_for_long(checkpoint, number):
    program = """
        import sys
        from jaxcomp import cli
        from jaxcomp.compression import arrays

        def slow(*arguments):
            print("writing", flush=True)
            sys.stdin.read()

        arrays._change = slow
        cli.main(["compress", "in.safetensors", "-o", "out.jxc"])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=checkpoint, text=True, **pipes) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
        process.wait()
        shown = process.stderr.read()
    left = set(os.listdir(checkpoint)) - {"in.safetensors", "in.jxc"}
    if number == signal.SIGKILL:
        assert len(left) == 1
        save_jxc(checkpoint / "out.jxc")
        assert set(os.listdir(checkpoint)) == {"in.safetensors", "in.jxc", "out.jxc"}
    else:
        assert not left
        assert process.returncode == 128 + number
        assert shown == f"jaxcomp: stopped by {number.name}\n"
