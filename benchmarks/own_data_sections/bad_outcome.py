"""What becomes of one bad input."""

from dataclasses import dataclass
from pathlib import Path

from driver import BAD_INPUT
from edgevolve.configuration import load_configuration
from edgevolve.data import DataSet, examine, load_splits
from edgevolve.starting import Reading, Wishes, config_text, looked_at, planned
from edgevolve.starting.reading import by_options
from own_data_sections.bad_inputs import Case

BOARD = "nano33ble"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`kind` is refused, skipped, runs or fault; `line` says what was said."""

    kind: str
    line: str


def outcome(case: Case, folder: Path, plans: bool = True) -> Outcome:
    """Through `init`, then `check` of what it wrote; once more with --skip-unreadable where it says so.

    Without `plans` the data are looked at and loaded, as both do, and no search is planned.
    """
    path = str(folder / (case.make(folder) or ""))
    first = _tried(path, folder / "first.py", Wishes(**case.wishes), plans)
    if first.kind != "refused" or "--skip-unreadable" not in first.line:
        return first
    second = _tried(path, folder / "second.py", Wishes(**case.wishes, skip_unreadable=True), plans)
    if second.kind != "runs":
        return second
    return Outcome("skipped", second.line) if "left out" in second.line else Outcome("fault", f"no note: {second.line}")


def _tried(path: str, out: Path, wishes: Wishes, plans: bool) -> Outcome:
    try:
        reading = looked_at(path, BOARD, wishes)
        data = _searched(reading, out) if plans else reading.data
        with by_options():
            notes = examine(data, load_splits(data)).notes
        return Outcome("runs", "; ".join(notes))
    except BAD_INPUT as error:
        line = str(error)
        plain = line and "\n" not in line and "Error:" not in line and len(line) < 800
        return Outcome("refused" if plain else "fault", line)
    except Exception as error:
        return Outcome("fault", f"{type(error).__name__}: {error}")


def _searched(reading: Reading, out: Path) -> DataSet:
    """The data set of the configuration that `init` writes."""
    out.write_text(config_text(planned(reading, BOARD, 1.0, 2), out), encoding="utf-8")
    return load_configuration(str(out), out.parent).data
