"""Two processes that train together make the network of one."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.helpers import ROOT


def begin(processes, number, port, devices):
    flags = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.train.one_of_processes",
            *map(str, (processes, number, port)),
        ],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1]) if output else None


@pytest.mark.slow
def test_two_processes_make_the_network_of_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [begin(2, number, port, devices=2) for number in (0, 1)]
    together = printed(both[0])
    both[1].communicate(timeout=300)
    alone = printed(begin(1, 0, port, devices=4))
    assert together[0] == alone[0] == 4
    assert together[2] == alone[2] < 0.35 * 1_200
    assert together[1] == pytest.approx(alone[1], rel=1e-5)
    assert together[3] == pytest.approx(alone[3], rel=1e-5)
