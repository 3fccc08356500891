"""The command line. `python driver.py CONFIG.py` searches; other verbs show, train, export and compare the networks."""

import errno
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from edgevolve.configuration import is_configuration, load_configuration
from edgevolve.data import DataError, differs, examine, load_splits
from edgevolve.data_commands import DATA_COMMANDS
from edgevolve.deployment import ExportError
from edgevolve.device_commands import DEVICE_COMMANDS
from edgevolve.engine import ClusterError, WorkersLostError, task_of, try_task
from edgevolve.graph import ShapeError
from edgevolve.model_commands import MODEL_COMMANDS
from edgevolve.process import end_as_by_control_c, leave_within, say, say_last, write_any_text
from edgevolve.run_commands import RUN_COMMANDS
from edgevolve.runs import ConfigError, JournalError, SearchConfig
from edgevolve.spelling import suggestion
from edgevolve.tflite import TfliteError
from predictors import PredictorError
from search_algorithms import ProblemError
from search_space import GenotypeError

BAD_INPUT = (
    ClusterError,
    ConfigError,
    DataError,
    ExportError,
    GenotypeError,
    JournalError,
    PredictorError,
    ProblemError,
    ShapeError,
    TfliteError,
)
"""Errors that the user can correct: one line and exit status 2."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="a configuration file, or the name of a packaged one")]
Data = Annotated[str | None, typer.Option(metavar="PATH", help="path of the data, for a .yaml configuration of TI's")]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"edgevolve {version('edgevolve')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None: ...


@app.command()
def search(
    config: Config,
    data: Data = None,
    name: Annotated[str | None, typer.Option(help="name of the run; default: that of the configuration")] = None,
    out: Annotated[Path, typer.Option(help="folder of runs")] = Path("artifacts"),
    seed: Annotated[int | None, typer.Option(help="seed of all random numbers")] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="budget in trained candidates, including those before --resume")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="budget in minutes of wall time; running trainings may still end")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="number of workers; default: one for each core")] = None,
    ray_address: Annotated[str | None, typer.Option(help="join a running cluster: HOST:PORT or auto")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue the run where its journal ends")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write scalars and HParams for TensorBoard to this folder")
    ] = None,
    mlflow: Annotated[Path | None, typer.Option(metavar="DIR", help="write runs for MLflow to DIR/mlflow.db")] = None,
) -> None:
    """Search for networks; the word "search" may be left out."""
    from edgevolve.searching import search_in_terminal, status

    settings = {"seed": seed, "evaluations": evaluations, "minutes": minutes, "workers": workers}
    chosen = load_config(config, data).with_fields(
        **{key: value for key, value in settings.items() if value is not None}
    )
    title = name or Path(config).stem
    run = search_in_terminal(
        chosen, title, _console(), out=out, resume=resume, ray_address=ray_address, boards=(tensorboard, mlflow)
    )
    if status(run) == 2:
        raise ConfigError(run.stopped.reason if run.stopped else "")
    if status(run):
        first = run.failures[0]
        print(first.traceback, file=sys.stderr)
        failed = run.stopped and run.stopped.cause == "failures"
        say(run.stopped.reason if run.stopped and failed else f"all failed: {first.kind}: {first.reason}")
        raise SystemExit(1)


@app.command()
def check(config: Config, data: Data = None) -> None:
    """Check a configuration and its data, and print what share of the space lies within the bounds."""
    from edgevolve.reports.dry_run import feasibility_table
    from edgevolve.runs.feasibility import feasibility

    chosen = load_config(config, data)
    task = task_of(chosen)
    chosen.check(task)
    splits = load_splits(chosen.data)
    seen = examine(chosen.data, splits)
    notes = (*seen.notes, *differs(chosen.data, splits), *try_task(chosen, task, splits))
    for line in (*seen.lines, *(f"note: {note}" for note in notes), ""):
        _console().print(line, highlight=False, markup=False, soft_wrap=True)
    feasible = feasibility(chosen)
    _console().print(feasibility_table(chosen, feasible))
    if not feasible.feasible:
        raise ConfigError(
            f"none of {feasible.samples} random networks keeps all bounds; the table shows which bound they break"
        )


for verb, command in {**DATA_COMMANDS, **RUN_COMMANDS, **MODEL_COMMANDS, **DEVICE_COMMANDS}.items():
    app.command(verb)(command)


def load_config(name: str, data: str | None = None) -> SearchConfig:
    """Run a configuration file, which is the user's own Python, and take its `config`. Raises `ConfigError`."""
    return load_configuration(name, verbs=tuple(_verbs()), data=data)


def _verbs() -> list[str]:
    return [str(known.name or getattr(known.callback, "__name__", "")) for known in app.registered_commands]


def _console() -> Any:
    from edgevolve.reports.terminal import console

    return console()


def main() -> None:
    """Run the command line, and exit with 0, 1 for a failed run, 2 for bad input or 130 for an interrupt."""
    write_any_text()
    end_as_by_control_c()
    arguments = sys.argv[1:]
    if arguments and arguments[0] not in _verbs() and not arguments[0].startswith("-"):
        slip = suggestion(arguments[0], _verbs())
        if slip and not is_configuration(arguments[0]):
            say(f"{arguments[0]}: neither a verb nor a configuration{slip}")
            raise SystemExit(2)
        arguments = ["search", *arguments]
    try:
        app(arguments)
    except BAD_INPUT as error:
        say(str(error))
        raise SystemExit(2) from None
    except WorkersLostError as error:
        say_last(f"{error}; all finished candidates are kept: add --resume to continue")
        leave_within(20.0, 1)
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        say(f"{error.filename or 'the disk'}: {error.strerror}")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
