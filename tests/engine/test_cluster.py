import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

from edgevolve.engine import WorkersLostError, cluster
from edgevolve.engine.cluster import ClusterError, require_cluster, require_loopback


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "nonsense", "127.0.0.1:port"])
def test_an_address_where_nothing_listens_is_refused_within_20_seconds(address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    refused_in_time(address.format(port=port))


@pytest.mark.slow
def test_an_address_that_accepts_and_never_answers_is_refused_within_20_seconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silence = "; it was asked for 16 s: on a busy machine try again"
        refused_in_time(f"127.0.0.1:{silent.getsockname()[1]}", silence)


def refused_in_time(address, more=""):
    """In a thread of its own, so that a call that hangs fails the test instead of hanging it."""
    caught = []

    def connect():
        try:
            require_cluster(address)
        except ClusterError as error:
            caught.append(str(error))

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(20)
    assert caught == [f"no Ray cluster answers at {address}: give HOST:PORT of a head node, or auto{more}"]


def test_cores_are_those_the_process_is_bound_to_within_the_quota_of_its_container(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for text, expected in (
        ("max 100000", 8),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("9900000 100000", 8),
        ("", 8),
    ):
        (tmp_path / "cpu.max").write_text(text)
        monkeypatch.setattr(cluster, "_CGROUP", tmp_path)
        assert cluster.cores() == expected


def test_a_head_that_answers_no_more_is_one_error(monkeypatch):
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(cluster.time, "monotonic", lambda: float(next(clock)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = f"127.0.0.1:{server.getsockname()[1]}"
        beat = cluster.Heartbeat(head, None)
        for _ in range(10):
            beat.require()
    with pytest.raises(WorkersLostError, match=f"the head of the Ray cluster at {head} has not answered for 20 s"):
        for _ in range(10):
            beat.require()


def test_a_process_of_this_machine_that_has_died_is_one_error(tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(cluster.time, "monotonic", lambda: float(next(clock)))
    path = str(tmp_path / "raylet")
    with socket.create_server(("127.0.0.1", 0)) as head, socket.socket(socket.AF_UNIX) as raylet:
        raylet.bind(path)
        raylet.listen()
        beat = cluster.Heartbeat(f"127.0.0.1:{head.getsockname()[1]}", path)
        beat.require()
        raylet.close()
        with pytest.raises(WorkersLostError, match="the raylet"):
            beat.require()


def test_a_path_too_long_for_a_socket_is_not_used(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 80)
    assert cluster.temporary_folder() == "/tmp/ray"
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/x")
    assert cluster.temporary_folder() is None
    monkeypatch.delenv("RAY_TMPDIR")
    monkeypatch.setenv("TMPDIR", "/there/is/no/such/folder/" + "x" * 80)
    assert cluster.temporary_folder() == "/tmp/ray"


def test_signals_are_the_programs_own_again():
    def mine(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with cluster.own_signals():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_while_ray_connects_acts_when_it_has():
    def mine(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, mine)
    reached = []
    try:
        with pytest.raises(KeyboardInterrupt), cluster.own_signals():
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))  # as ray.init does
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append("the end of connecting")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert reached


_WITHOUT_NETWORK = ["unshare", "--user", "--map-root-user", "--net"]


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*_WITHOUT_NETWORK, "true"], capture_output=True).returncode != 0,
    reason="no namespaces here",
)
def test_without_a_network_interface_a_search_ends_in_one_line():
    code = "from edgevolve.engine.cluster import require_loopback; require_loopback()"
    done = subprocess.run([*_WITHOUT_NETWORK, sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "ClusterError: 127.0.0.1: Network is unreachable; Ray needs the loopback interface" in done.stderr


def test_with_a_loopback_interface_nothing_is_said():
    require_loopback()
