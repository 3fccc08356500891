"""Checks around Ray: whether a cluster answers, before Ray is loaded and while it runs; cores; signals.

Ray itself would wait for minutes for a missing cluster, and it ends the process when its own processes die.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgevolve.engine.evaluator import WorkersLostError

_DEADLINE_S = 8.0
_HEALTH_S = 16.0
"""Seconds for Ray's own check; on a busy machine most of it is loading Ray."""
_CGROUP = Path("/sys/fs/cgroup")
_LONGEST_TEMPORARY = 40
"""The longest temporary folder, in characters: a socket's path may have 107, and Ray's session takes the rest."""
_LOOK_EVERY_S = 2.0
_SILENCE_S = 20.0
"""Ray itself ends the process 60 s after its head has died."""


class ClusterError(ValueError):
    """No cluster answers, or a node has other versions. The message is one line."""


def require_cluster(address: str) -> None:
    """Raise `ClusterError` unless a cluster answers within 20 s at HOST:PORT, or on this machine for `auto`.

    Ray decides when it is loaded whether to use a token; `RAY_AUTH_MODE` is set to what this cluster asks for.
    """
    refusal = f"no Ray cluster answers at {address}: give HOST:PORT of a head node, or auto"
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    if address != "auto":
        command += ["--address", address]
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_DEADLINE_S / 2).close()
        except (OSError, ValueError) as error:
            raise ClusterError(refusal) from error
    for mode in dict.fromkeys((os.environ.get("RAY_AUTH_MODE", "disabled"), "token")):
        os.environ["RAY_AUTH_MODE"] = mode
        try:
            done = subprocess.run(command, timeout=_HEALTH_S, capture_output=True, text=True)
        except subprocess.TimeoutExpired as error:
            asked = f"; it was asked for {_HEALTH_S:.0f} s: on a busy machine try again"
            raise ClusterError(refusal + asked) from error
        if done.returncode == 0:
            return
        if "uthentication" not in done.stderr:
            raise ClusterError(refusal)
    raise ClusterError(
        f"the Ray cluster at {address} asks for a token; set RAY_AUTH_TOKEN_PATH to a file that holds it"
    )


def require_loopback() -> None:
    """Raise `ClusterError` unless processes of this machine reach each other; Ray would otherwise try for ever."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=_DEADLINE_S).close()
    except OSError as error:
        raise ClusterError(
            f"127.0.0.1: {error.strerror or error}; Ray needs the loopback interface; run: ip link set lo up"
        ) from error


def cores() -> int:
    """The processor cores that this process may use: those it is bound to, within its control group's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, int(_quota() or bound)))


def _quota() -> float:
    """Cores by the quota of the control group, as containers have it; 0 where there is none."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (_CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")
            )
        except OSError:
            return 0.0
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else 0.0


def temporary_folder() -> str | None:
    """The folder for Ray's sockets where the path of its own choice is too long, else None.

    Ray takes TMPDIR even where that folder does not exist.
    """
    chosen = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir()
    return "/tmp/ray" if len(os.fsencode(chosen)) > _LONGEST_TEMPORARY and os.name == "posix" else None


@contextmanager
def own_signals() -> Iterator[None]:
    """Delay the signals that end a search while Ray connects, because Ray crashes if it is interrupted then.

    They take effect once it has connected; Ray's own handlers are replaced. A second signal ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def keep_back(number: int, frame: object) -> None:
        if came:
            os._exit(128 + number)
        came.append(number)

    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]
    before = {kind: signal.signal(kind, keep_back) for kind in kinds}
    install = signal.signal
    signal.signal = lambda kind, handler: signal.getsignal(kind)  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = install
        for kind, handler in before.items():
            with suppress(TypeError):  # the handler was not set from Python
                signal.signal(kind, handler)
        if came:
            signal.raise_signal(came[0])


class Heartbeat:
    """Checks that Ray's own processes live: the head of the cluster, and the raylet of this machine."""

    def __init__(self, head: str, local_socket: str | None) -> None:
        """`head` is HOST:PORT; `local_socket` is the path of the socket of this machine's raylet, if there is one."""
        self._head = head
        self._socket = local_socket
        self._looked = self._heard = time.monotonic()

    def require(self) -> None:
        """Raise `WorkersLostError` where one is gone. Ray would soon end the process without a message."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_S:
            return
        self._looked = now
        if self._socket and not _raylet_answers(self._socket):
            raise WorkersLostError("Ray's process on this machine (the raylet) has died")
        if _head_answers(self._head):
            self._heard = now
        elif now - self._heard > _SILENCE_S:
            raise WorkersLostError(f"the head of the Ray cluster at {self._head} has not answered for {_SILENCE_S:g} s")


def _head_answers(head: str) -> bool:
    host, _, port = head.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1.0).close()
    except (OSError, ValueError):
        return False
    return True


def _raylet_answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # too busy to answer
    return True
