"""Arguments shared by several verbs of the command line."""

from typing import Annotated

import typer

from edgevolve.quantity import quantity
from edgevolve.runs import PICKS, ConfigError, JournalError, Record, Run

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="artifacts/NAME, or its journal")]
Pick = Annotated[
    str,
    typer.Option(
        metavar="best|small|knee|N",
        help="best, small (the smallest as good within noise), knee (the bend of the front), or a candidate's number",
    ),
]

_MOST_DIGITS = 12


def picked(run: Run, pick: str) -> Record:
    """The candidate that `--pick` names by a word of `PICKS` or a number. Raises `ConfigError`, `JournalError`."""
    if pick in PICKS:
        record = PICKS[pick](run)
        if record is None:
            raise JournalError(f"{run.path}: no candidate has completed within the bounds yet")
        return record
    if not pick.isdecimal() or len(pick) > _MOST_DIGITS:
        raise ConfigError(f"--pick {pick[:40]}: give {', '.join(PICKS)}, or a candidate's number")
    return run.record(int(pick))


def number_of(option: str, text: str) -> float:
    """The number, at least 0, of an option such as `64k`. Raises `ConfigError`."""
    try:
        value = quantity(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if value < 0:
        raise ConfigError(f"{option} {text}: is below 0")
    return value
