import http.client
import json
import threading
import time
from contextlib import contextmanager

import journals
import numpy as np
import pytest

from edgevolve.reports.follow import Follower
from edgevolve.reports.watch import HOST, make_server
from edgevolve.runs import JournalError, Run


def lines(count, seed=0):
    return [event.model_dump_json().encode() + b"\n" for event in journals.long_history(count, seed)]


def test_a_follower_sees_what_a_reader_of_the_whole_sees(tmp_path):
    path = tmp_path / "journal.jsonl"
    follower = Follower(path)
    assert follower.poll() == 0
    assert follower.run is None
    text = b"".join(lines(30))
    rng = np.random.default_rng(0)
    path.write_bytes(b"")
    at = 0
    while at < len(text):
        step = int(rng.integers(1, 3000))
        with path.open("ab") as file:
            file.write(text[at : at + step])
        at += step
        follower.poll()
    whole = Run.open(path)
    assert follower.run.records == whole.records
    assert follower.run.front == whole.front
    assert set(follower.changes) == set(whole.records)
    assert follower.graph(0) == whole.graph(0)
    assert follower.graph(10_000) is None


def test_a_line_that_the_disk_has_not_got_yet_is_waited_for_and_may_be_cut_off(tmp_path):
    path = tmp_path / "journal.jsonl"
    first, *rest = lines(3)
    path.write_bytes(first + b"\0\0\0\n")
    follower = Follower(path)
    follower.poll()
    assert not follower.run.records
    path.write_bytes(first + b"".join(rest))
    follower.poll()
    assert len(follower.run.records) == 3


def test_a_bad_line_is_an_error_that_says_where(tmp_path):
    path = tmp_path / "journal.jsonl"
    first, *rest = lines(3)
    path.write_bytes(first + b"garbage\n" + rest[0])
    with pytest.raises(JournalError, match="line 2: not an event"):
        Follower(path).poll()


def test_another_journal_in_its_place_is_begun_anew(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(lines(20)))
    follower = Follower(path)
    follower.poll()
    path.unlink()
    path.write_bytes(b"".join(lines(5, seed=1)))
    follower.poll()
    assert len(follower.run.records) == 5
    assert follower.generation == 1


@contextmanager
def served(folder):
    with make_server(str(folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def get(port, path, **headers):
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def listen(port, until, mark=""):
    """The messages of the server until one of them is enough."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", "/events", headers={"Last-Event-ID": mark} if mark else {})
    answer = connection.getresponse()
    messages = []
    try:
        while True:
            line = answer.readline()
            if line.startswith(b"id: "):
                mark = line[4:].strip().decode()
            if line.startswith(b"data: "):
                messages.append(json.loads(line[6:]))
                if until(messages):
                    return messages, mark
    finally:
        connection.close()


def test_the_server_gives_the_page_and_networks_and_nothing_else(tmp_path):
    folder = journals.write(tmp_path / "run", *journals.long_history(5))
    (tmp_path / "secret").write_text("secret")
    with served(folder) as port:
        status, page = get(port, "/")
        assert status == 200
        assert b"connect-src &#39;self&#39;" in page or b"connect-src 'self'" in page
        status, network = get(port, "/network?number=0")
        assert status == 200
        assert next(iter(json.loads(network)["charts"])) == "Graph"
        for path in ("/../secret", "/journal.jsonl", "/network", "/network?number=-1", "/network?number=99999", "//x/"):
            assert get(port, path)[0] == 404, path
        assert get(port, f"/network?number={'9' * 5000}")[0] == 404
        assert get(port, "/", Host="evil.example")[0] == 403
        connection = http.client.HTTPConnection(HOST, port, timeout=30)
        connection.request("POST", "/")
        assert connection.getresponse().status == 501
        connection.close()
    assert sorted(path.name for path in folder.iterdir()) == ["journal.jsonl"]


def test_a_page_follows_a_journal_that_grows_by_100_events_a_second(tmp_path):
    folder = tmp_path / "run"
    text = lines(250)
    journal = folder / "journal.jsonl"

    def write():
        time.sleep(0.5)
        folder.mkdir()
        with journal.open("ab", buffering=0) as file:
            for line in text:
                file.write(line)
                time.sleep(0.01)

    with served(folder) as port:
        writer = threading.Thread(target=write)
        writer.start()
        messages, mark = listen(
            port, lambda messages_so_far: messages_so_far[-1].get("view", {}).get("tiles", [[0, 0]] * 2)[1][1] == "250"
        )
        writer.join()
        assert "waiting" in messages[0]
        whole = Run.open(folder)
        rows = {row[0]: row for message in messages[1:] for row in message["rows"]}
        assert set(rows) == {record.number for record in whole.records.values() if record.genotype_json}
        assert {row[1] for row in rows.values()} == {"completed", "failed"}
        assert not any(message["fresh"] for message in messages[2:])
        event = journals.asked(len(whole.records), np.random.default_rng(0))
        with journal.open("ab") as file:
            file.write(event.model_dump_json().encode() + b"\n")
        (news,), _ = listen(port, lambda messages_so_far: True, mark)
        assert [row[0] for row in news["rows"]] == [event.number]
        assert news["fresh"] is False


def test_a_journal_that_cannot_be_read_is_said_on_the_page(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "journal.jsonl").write_text("{}\n{}\n")
    with served(folder) as port:
        (message,), _ = listen(port, lambda messages: True)
        assert "not a journal that this version" in message["waiting"]
