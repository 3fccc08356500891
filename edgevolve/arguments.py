"""Arguments that several verbs of the command line take."""

from typing import Annotated

import typer

from edgevolve.runs import ConfigError, JournalError, Record, Run

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="artifacts/NAME, or its journal")]
Pick = Annotated[
    str, typer.Option(metavar="best|knee|N", help="best, knee (the bend of the front), or a candidate's number")
]

_MOST_DIGITS = 12


def picked(run: Run, pick: str) -> Record:
    """The candidate that `--pick` names: `best`, `knee` or a number. Raises `ConfigError`, `JournalError`."""
    if pick in ("best", "knee"):
        record = run.best if pick == "best" else run.knee
        if record is None:
            raise JournalError(f"{run.path}: no candidate has completed within the bounds yet")
        return record
    if not pick.isdecimal() or len(pick) > _MOST_DIGITS:
        raise ConfigError(f"--pick {pick[:40]}: give best, knee, or a candidate's number")
    return run.record(int(pick))
