"""Finds the place of a failure in the user's own code."""

from pathlib import Path


def place(trace: str) -> str:
    """The last line of the user's own code in a formatted traceback, as ` (mine.py, line 7)`; empty without one."""
    ours = str(Path(__file__).resolve().parent).replace(str(Path.home()), "~")
    frames = [line.strip() for line in trace.splitlines() if line.strip().startswith('File "')]
    foreign = (ours, str(Path(__file__).resolve().parent), "site-packages", "<frozen ", "lib/python3")
    own = [line for line in frames if not any(part in line for part in foreign)]
    if not own:
        return ""
    file, line = own[-1].removeprefix('File "').split('", line ')
    return f" ({Path(file).name}, line {line.partition(',')[0]})"
