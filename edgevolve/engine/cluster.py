"""Whether a Ray cluster answers, seen before Ray is loaded: loaded, it would wait for minutes."""

import os
import socket
import subprocess
import sys

_DEADLINE_S = 8.0


class ClusterError(ValueError):
    """No cluster answers, or a node has other versions. The message is one line."""


def require_cluster(address: str) -> None:
    """Raise `ClusterError` unless a cluster answers at HOST:PORT, or for `auto` on this machine, within 20 s.

    Ray decides when it is loaded whether to use the token of a cluster; `RAY_AUTH_MODE` is set to what this one asks.
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
            done = subprocess.run(command, timeout=_DEADLINE_S, capture_output=True, text=True)
        except subprocess.TimeoutExpired as error:
            raise ClusterError(refusal) from error
        if done.returncode == 0:
            return
        if "uthentication" not in done.stderr:
            raise ClusterError(refusal)
    raise ClusterError(
        f"the Ray cluster at {address} asks for a token; set RAY_AUTH_TOKEN_PATH to a file that holds it"
    )
