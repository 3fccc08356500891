"""Compiles C99 with the system's compiler and runs it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgevolve.deployment.export_error import ExportError

_FLAGS = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-pedantic")


def run_c99(files: Mapping[str, str], given: bytes) -> bytes | None:
    """Compile the one `.c` file among `files`, texts by name, and run it on `given`, its standard input.

    Gives its standard output; None without a compiler. Raises `ExportError`, which names the header, when the program
    does not compile or run.
    """
    named = (os.environ.get("CC"), "cc", "gcc", "clang")
    compiler = next((name for name in named if name and shutil.which(name)), None)
    if compiler is None:
        return None
    (source,) = (name for name in files if name.endswith(".c"))
    header = next(name for name in files if name.endswith(".h"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="ascii")
        program = str(folder / "program")
        _run([compiler, *_FLAGS, str(folder / source), "-lm", "-o", program], b"", header)
        return _run([program], given, header)


def _run(command: list[str], given: bytes, header: str) -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = next((line for line in said if "error" in line), said[0] if said else f"status {done.returncode}")
        raise ExportError(f"{header}: {Path(command[0]).name} failed: {reason}")
    return done.stdout
