"""Files on any system: locks, files that are written whole or not at all, and names that survive a loss of power."""

import os
import secrets
import stat
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO

_FAR = 1 << 40


def lock(file: IO[bytes]) -> None:
    """Lock an open file against every other process that locks it.

    Raises `OSError` if another process has locked it. Does nothing where Python has no locking module.
    """
    if unix := _module("fcntl"):
        unix.flock(file, unix.LOCK_EX | unix.LOCK_NB)
    elif windows := _module("msvcrt"):
        at = file.tell()
        file.seek(_FAR)  # on Windows a lock stops others from reading what it covers; here it covers nothing
        try:
            windows.locking(file.fileno(), windows.LK_NBLCK, 1)
        finally:
            file.seek(at)


def _module(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet, whole or not at all. Raises `FileExistsError` where it does.

    On a file system without hard links (exFAT, SMB) a loss of power may leave only the beginning of the file.
    """
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}")
    try:
        _write(temporary, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:
            _write(path, content)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the system can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_regular(path: Path) -> None:
    """Raise `OSError` unless it is a regular file: a pipe or `/dev/zero` has no end."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(0, "not a regular file")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
