"""Verbs of the command line for the user's data: write a configuration, try an exported model."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgevolve.arguments import number_of
from edgevolve.data import Classes, DataError
from edgevolve.process import say
from edgevolve.runs import ConfigError


def init(
    data: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="a folder with one folder for each class (images, WAV, CSV), or a CSV, .ts or .npz file",
        ),
    ],
    board: Annotated[str, typer.Option(metavar="NAME", help="NAME or NAME/FRAMEWORK; `boards` lists them")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.py", help="the configuration to write")] = Path(
        "mine.py"
    ),
    minutes: Annotated[float, typer.Option(min=1, help="budget of the search in minutes of wall time")] = 30,
    flash: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="the most flash for front end and network, such as 3.5k; the default: 12k"),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="the column of a CSV to predict")] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="leave out files and rows that cannot be read, and list them")
    ] = False,
) -> None:
    """Write a configuration for your data and a board, ready to run."""
    from edgevolve.engine.cluster import cores
    from edgevolve.starting import Wishes, config_text, looked_at, planned

    _check_out(out)
    board = _from_the_root(board)
    reading = looked_at(data, board, Wishes(label, skip_unreadable))
    print(reading.seen, flush=True)
    plan = planned(reading, board, minutes, cores(), None if flash is None else number_of("--flash", flash))
    for note in plan.notes:
        print(f"note: {note}")
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(config_text(plan, out))
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror or error}; choose another -o") from error
    name = os.fspath(out)
    print(
        f"{name}: {plan.feasible:.0%} of random networks fit {plan.config.board.name if plan.config.board else board}\n"
        f"  edgevolve {name}\n  edgevolve train artifacts/{out.stem} --pick {plan.pick} --epochs {plan.final_epochs}\n"
        f"  edgevolve export artifacts/{out.stem} --pick {plan.pick} --formats tflite,c"
    )


def _from_the_root(board: str) -> str:
    """The board, with an absolute path if it is a file, so that the configuration finds it from any folder."""
    name, suffix, framework = board.partition(".yaml")
    return f"{os.path.abspath(name)}{suffix}{framework}" if suffix else board


def _check_out(out: Path) -> None:
    """Raise `ConfigError` unless a configuration can be written there."""
    if out.suffix != ".py" or not out.stem.strip():
        raise ConfigError(f"-o {out}: a configuration is Python: end its name in .py")
    if out.exists():
        raise ConfigError(f"{out}: exists already; choose another -o, or remove it")
    if out.stem in {"edgevolve", *sys.stdlib_module_names}:
        raise ConfigError(f"-o {out}: {out.stem} is the name of a module; choose another")


def classify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="the folder that export wrote, or its .tflite")],
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="WAV, PNG, JPEG, BMP, CSV or .npy")],
) -> None:
    """Run an exported model on new files, on this machine, as the device does: front end, then int8 model."""
    from edgevolve.deployment.new_examples import new_examples
    from edgevolve.deployment.ready_model import ready_model
    from edgevolve.reports.answers import class_table, value_table
    from edgevolve.reports.terminal import console

    ready = ready_model(model)
    answers, faults = [], []
    for file in files:
        try:
            answers += [(example.name, ready.answers(example.raw)) for example in new_examples(file, ready)]
        except DataError as error:
            faults.append(str(error))
    if answers and isinstance(ready.target, Classes):
        console().print(class_table(ready.target.labels, answers))
    elif answers:
        console().print(value_table(ready.units, answers))
    for fault in faults:
        say(fault)
    if faults:
        raise SystemExit(2)


DATA_COMMANDS: Mapping[str, Callable[..., Any]] = {"init": init, "classify": classify}
