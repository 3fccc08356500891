"""Signals, output and end of the command line's process, and its garbage collection."""

import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edgevolve.printable import printable

_LONGEST_MESSAGE = 600


@contextmanager
def many_objects() -> Iterator[None]:
    """Switch garbage collection off while very many lasting objects are made, since it would slow that down."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def say(message: str) -> None:
    """Print a message in one line on standard error, made printable, with its middle cut out if it is very long."""
    text = printable(message)
    shown = text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 100]} … {text[-97:]}"
    print(f"edgevolve: {shown}", file=sys.stderr, flush=True)


def say_last(message: str) -> None:
    """Print a message as `say` does, then drop all further output, such as that of libraries when they close."""
    say(message)
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


@contextmanager
def redirected(stream: int, into: int) -> Iterator[None]:
    """Send what the process writes to file descriptor `stream`, from Python or past it, to the descriptor `into`."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(stream)
    os.dup2(into, stream)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept, stream)
        os.close(kept)


def write_any_text() -> None:
    """Write characters that the terminal's encoding lacks as `?`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def leave_within(seconds: float, status: int) -> None:
    """End the process with `status` after `seconds` if it has not ended by then, as a dead cluster may hold it."""

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def end_as_by_control_c() -> None:
    """Let SIGTERM (from a scheduler) and SIGHUP (from a closing terminal) end a search as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)
