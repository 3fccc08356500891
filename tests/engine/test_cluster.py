import socket
import threading

import pytest

from edgevolve.engine.cluster import ClusterError, require_cluster


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "nonsense", "127.0.0.1:port"])
def test_an_address_where_nothing_listens_is_refused_within_20_seconds(address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    refused_in_time(address.format(port=port))


def test_an_address_that_accepts_and_never_answers_is_refused_within_20_seconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        refused_in_time(f"127.0.0.1:{silent.getsockname()[1]}")


def refused_in_time(address):
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
    assert caught == [f"no Ray cluster answers at {address}: give HOST:PORT of a head node, or auto"]
