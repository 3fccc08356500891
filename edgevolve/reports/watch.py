"""Serves a live page of a run, to this machine only.

The page is that of the report; rows and charts arrive as server-sent events while the journal grows. The server reads
one journal and nothing else: no request names a file.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from edgevolve.reports.follow import Follower
from edgevolve.reports.page import harmless, render
from edgevolve.reports.view import charts_view, network_view, rows_view, run_view
from edgevolve.runs import JournalError, journal_path
from edgevolve.runs.run import fitting
from search_algorithms import Rejected

HOST = "127.0.0.1"

_LOOK_EVERY_S = 0.25
_TELL_EVERY_S = 1.0
_MOST_OF_THE_TIME = 0.2
"""The largest share of time spent on updates, so that a larger run is updated more rarely."""
_BEAT_EVERY_S = 15.0
_SLOWEST_CLIENT_S = 20.0
"""Seconds after which a silent client is disconnected."""
_MOST_CONNECTIONS = 256
_MOST_STREAMS = 32
"""Pages that follow at the same time; more are refused."""
_AT_ONCE = 2000
"""Events read at a time; a request waits no longer than that takes."""
_MOST_PAGES = 4
"""Texts cached for pages that have the same state."""


class LiveRun:
    """A followed journal; many threads may ask for its news."""

    def __init__(self, run: str) -> None:
        """Follow RUN, `artifacts/NAME` or its journal."""
        self.command = run
        self._follower = Follower(_awaited(run))
        self._moved = threading.Condition()
        self._problem = ""
        self._token = secrets.token_hex(4)
        self._version = 0
        self._reading = True
        self._pages: dict[tuple[str, int], tuple[str, str]] = {}
        self.streams = threading.BoundedSemaphore(_MOST_STREAMS)
        """A place for each page that follows."""

    def look(self) -> bool:
        """Read some of the new lines, and wake waiting threads; return whether there is more to read."""
        with self._moved:
            try:
                count, problem = self._follower.poll(_AT_ONCE), ""
            except JournalError as error:
                count, problem = 0, str(error)
            more = count == _AT_ONCE
            self._reading &= more
            if count or problem != self._problem:
                self._problem = problem
                self._version += 1
                self._moved.notify_all()
        return more

    def wait(self, mark: str, timeout_s: float) -> bool:
        """Wait until there is news after `mark`, at most `timeout_s` seconds; return whether there is."""
        with self._moved:
            return self._moved.wait_for(lambda: self._mark() != mark, timeout_s)

    def news(self, mark: str) -> tuple[str, str]:
        """The news after `mark`, as JSON, and the new mark; all of the run if the mark is of another journal.

        Pages in the same state get the same text, which is made once.
        """
        with self._moved:
            known = (mark, self._version)
            if known not in self._pages:
                while len(self._pages) >= _MOST_PAGES:
                    del self._pages[next(iter(self._pages))]
                try:
                    with fitting(self._follower.path), np.errstate(all="ignore"):
                        news = self._news(mark)
                except JournalError as error:
                    news = {"waiting": str(error)}
                text = json.dumps(harmless(news), allow_nan=False, separators=(",", ":"))
                self._pages[known] = self._mark(), text
            return self._pages[known]

    def _news(self, mark: str) -> dict[str, Any]:
        follower, run = self._follower, self._follower.run
        if self._problem or run is None:
            return {"waiting": self._problem or "waiting for the search to begin…"}
        if self._reading:
            return {"waiting": f"reading the journal: {1 - follower.behind:.0%}"}
        origin, _, seen = mark.rpartition("-")[0].rpartition("-")
        known = origin == self._origin() and seen.isdecimal()
        changed = set(follower.changes[int(seen) :]) if known else set(run.records)
        records = [run.records[n] for n in sorted(changed) if not isinstance(run.records[n].outcome, Rejected)]
        rows, view, charts = rows_view(run, records), run_view(run), charts_view(run)
        return {"fresh": not known, "view": view, "rows": rows, "charts": charts}

    def network(self, number: int) -> dict[str, Any] | None:
        """The page's view of one network; None if there is none or the journal's genotype is no network."""
        with self._moved:
            run = self._follower.run
            try:
                with fitting(self._follower.path):
                    graph = self._follower.graph(number)
                    return network_view(run, run.records[number], graph, self.command) if run and graph else None
            except JournalError:
                return None

    def _origin(self) -> str:
        return f"{self._token}-{self._follower.generation}"

    def _mark(self) -> str:
        """A mark: the journal, the number of changes sent, and the version."""
        changes = 0 if self._reading else len(self._follower.changes)
        return f"{'reading' if self._reading else self._origin()}-{changes}-{self._version}"


def serve(run: str, port: int, announce: Callable[[str], object]) -> None:
    """Serve until interrupted; `announce` gets the address. Raises `OSError` if the port is taken."""
    with make_server(run, port) as server:
        announce(f"http://{HOST}:{server.server_port}/")
        server.serve_forever(poll_interval=0.2)


def make_server(run: str, port: int = 0) -> ThreadingHTTPServer:
    """The server of a run at `port` of the loopback, 0 for a free one; it follows the run until it is closed."""
    live = LiveRun(run)

    class Handler(_Handler):
        source = live

    server = _Server((HOST, port), Handler)

    def keep_looking() -> None:
        more = live.look()
        while not server.closing.wait(0.0 if more else _LOOK_EVERY_S):
            more = live.look()

    threading.Thread(target=keep_looking, daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    """A server with a thread for each connection, up to a limit; further connections get 503."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.closing = threading.Event()
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, handler)

    def server_close(self) -> None:
        self.closing.set()
        super().server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


class _Handler(BaseHTTPRequestHandler):
    source: LiveRun
    protocol_version = "HTTP/1.1"
    timeout = _SLOWEST_CLIENT_S

    def do_HEAD(self) -> None:
        """Send the headers of a GET."""
        self.do_GET()

    def do_GET(self) -> None:
        """Send the page, its events or a network; refuse a request for another host name (DNS rebinding)."""
        _, server_port = self.request.getsockname()
        if self.headers.get("Host") not in (f"{HOST}:{server_port}", f"localhost:{server_port}"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        address = urlsplit(self.path)
        try:
            match address.path:
                case "/":
                    page = render({"runs": [{}], "compare": None, "live": True}, Path(self.source.command).name, "")
                    self._send(page, "text/html; charset=utf-8")
                case "/events":
                    self._events()
                case "/network":
                    number = parse_qs(address.query).get("number", [""])[0]
                    network = self.source.network(int(number)) if number.isdecimal() and len(number) < 12 else None
                    if network:
                        self._send(json.dumps(harmless(network), allow_nan=False), "application/json")
                    else:
                        self.send_error(HTTPStatus.NOT_FOUND)
                case _:
                    self.send_error(HTTPStatus.NOT_FOUND)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True

    def _send(self, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(HTTPStatus.OK)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _events(self) -> None:
        self.close_connection = True
        if not self.source.streams.acquire(blocking=False):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        try:
            self.send_response(HTTPStatus.OK)
            for name, value in {"Content-Type": "text/event-stream", **_HEADERS}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._tell()
        finally:
            self.source.streams.release()

    def _tell(self) -> None:
        mark = self.headers.get("Last-Event-ID", "")
        while True:
            if not self.source.wait(mark, _BEAT_EVERY_S):
                self.wfile.write(b": still here\n\n")
                continue
            began = time.monotonic()
            mark, text = self.source.news(mark)
            self.wfile.write(f"id: {mark}\ndata: {text}\n\n".encode())
            self.wfile.flush()
            took = time.monotonic() - began
            time.sleep(max(_TELL_EVERY_S, took / _MOST_OF_THE_TIME))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the user's."""


_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def _awaited(run: str) -> Path:
    """The path of RUN's journal, even if its folder does not exist yet."""
    path = Path(run)
    if path.suffix == ".jsonl":
        return path
    try:
        return journal_path(run)
    except JournalError:
        return path / "journal.jsonl"
