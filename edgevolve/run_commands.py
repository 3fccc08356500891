"""Verbs of the command line for runs: show, list, report, watch, train again, compare, specialise."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edgevolve.arguments import Pick, RunPath, picked
from edgevolve.configuration import load_configuration
from edgevolve.engine import final_task, how_trained, train_again
from edgevolve.process import say
from edgevolve.runs import ConfigError, EmptyJournalError, Run, journal_path
from edgevolve.runs.events import Event, Retrained
from edgevolve.spelling import suggestion


def show(
    run: RunPath,
    pick: Pick | None = None,
    sort: Annotated[str | None, typer.Option(metavar="METRIC", help="sort by this metric, best first")] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="CONDITION", help="show only these, such as 'peak_memory_bytes < 32k and error < 5%'"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="also show candidates beyond a soft bound")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON: a list of number, genotype, network and metrics")
    ] = False,
) -> None:
    """Print the front of a run as a table and a scatter."""
    from edgevolve.reports.metrics import metric_names
    from edgevolve.reports.terminal import console, front_json, front_table, within_soft_bounds
    from edgevolve.reports.where import parse

    opened = Run.open(run)
    records = [picked(opened, pick)] if pick else opened.front if every or as_json else within_soft_bounds(opened)
    left_out = 0 if pick else len(opened.front) - len(records)
    if where:
        condition = parse(where, {name: opened.metric(name) for name in metric_names(opened)})
        records = [record for record in records if condition(record.metrics)]
    if sort:
        known = metric_names(opened)
        if any(sort not in record.metrics for record in records):
            raise ConfigError(f"--sort {sort}: choose one of {', '.join(known)}{suggestion(sort, known)}")
        records = sorted(records, key=lambda record: opened.cost(sort, record.metrics[sort]))
    if as_json:
        print(json.dumps(front_json(opened, records), indent=1))
    else:
        terminal = console()
        terminal.print(front_table(opened, records, left_out))
        if not pick:
            from edgevolve.reports.scatter import front_scatter

            terminal.print(front_scatter(opened, records, terminal.width))


def runs_of(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="folder of runs")] = Path("artifacts"),
) -> None:
    """List the runs of a folder."""
    from edgevolve.reports.overview import runs_table
    from edgevolve.reports.terminal import console

    console().print(runs_table(folder))


def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="artifacts/NAME, or its journal; several are compared")
    ],
    out: Annotated[Path | None, typer.Option(help="folder to write; default: RUN/report")] = None,
    pictures: Annotated[bool, typer.Option(help="also write PNG, SVG and CSV files")] = True,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="also write scalars and HParams for TensorBoard to this folder")
    ] = None,
    mlflow: Annotated[
        Path | None, typer.Option(metavar="DIR", help="also write runs for MLflow to DIR/mlflow.db")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
) -> None:
    """Write report.html, which works offline, and plots for papers."""
    from edgevolve.reports.boards import boards, write
    from edgevolve.reports.page import report_page
    from edgevolve.reports.pictures import write_pictures

    try:
        opened = [Run.open(run) for run in runs]
    except EmptyJournalError:
        if len(runs) > 1:
            raise
        opened = []
    for run in opened:
        with boards(run.name, tensorboard, mlflow) as every:
            for board in every:
                write(run, board)
    folder = out or journal_path(runs[0]).parent / "report"
    page = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page.write_text(report_page(opened, runs), encoding="utf-8")
        written = [page, *(write_pictures(opened, folder) if pictures and opened else [])]
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror or error}; choose another --out") from error
    print(f"{page}{f' and {len(written) - 1} pictures and tables' if pictures else ''}")
    if open_page:
        typer.launch(str(page))


def watch(
    run: RunPath,
    port: Annotated[int, typer.Option(help="port on 127.0.0.1; default: any free one")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
) -> None:
    """Serve a live page of a run, on this machine only; the run is not changed."""
    from edgevolve.reports.watch import serve

    def announce(address: str) -> None:
        print(f"{run}: {address} (Ctrl-C ends)", flush=True)
        if open_page:
            typer.launch(address)

    try:
        serve(run, port, announce)
    except OSError as error:
        raise ConfigError(f"--port {port}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def train(
    run: RunPath,
    pick: Pick = "best",
    epochs: Annotated[int, typer.Option(min=1, help="epochs of each training")] = 300,
    seeds: Annotated[int, typer.Option(min=1, help="number of trainings from scratch")] = 3,
    quantise: Annotated[
        int | None,
        typer.Option(metavar="8|4", help="bits of kernels, 8 or 4; training continues where rounding costs accuracy"),
    ] = None,
    distil: Annotated[
        str | None, typer.Option(metavar="TEACHER", help="also learn from the teacher RUN:N or FILE.keras")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="the configuration that defines the run's data set, if it is your own")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="number of workers; default: one for each seed")] = None,
    ray_address: Annotated[str | None, typer.Option(help="join a running cluster: HOST:PORT or auto")] = None,
) -> None:
    """Train a candidate again, longer and with several seeds; score the best on the test split once.

    Export then uses the best of these trainings.
    """
    from edgevolve.reports.final_trainings import final_table
    from edgevolve.reports.terminal import console
    from edgevolve.runs.provenance import load_data

    opened, own = Run.open(run), load_configuration(config) if config else None
    number = picked(opened, pick).number
    splits = load_data(opened, own.data if own else None)
    task = final_task(opened, splits, epochs, own, bits=quantise, distil=distil)
    how = how_trained(quantise, distil)
    print(f"candidate {number}: {seeds} trainings of {epochs} epochs", flush=True)
    say_trained = partial(_say_trained, opened)
    train_again(opened, number, task, splits, seeds, how, workers=workers, ray_address=ray_address, observe=say_trained)
    console().print(final_table(opened, number))
    if not opened.final(number):
        raise SystemExit(1)
    if quantise:
        from edgevolve.reports.hardware import hardware_table

        console().print(hardware_table(opened, number))


def standard(
    run: RunPath,
    names: Annotated[
        list[str] | None, typer.Option("--train", metavar="NAME", help="also train this network; may be repeated")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="epochs of each training; default: those of the search")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="the configuration that defines the run's data set, if it is your own")
    ] = None,
) -> None:
    """Compare the front with the field's standard networks; those trained with --train also appear in later reports."""
    from edgevolve.engine.standard_networks import cost_of, standards_of, train_standard
    from edgevolve.reports.standard import standards_table
    from edgevolve.reports.terminal import console
    from edgevolve.runs.provenance import load_data

    opened, own = Run.open(run), load_configuration(config) if config else None
    known = standards_of(opened)
    if names:
        splits = load_data(opened, own.data if own else None)
        task = final_task(opened, splits, epochs or opened.started.config["training"]["epochs"], own)
        for name in names:
            train_standard(opened, name, task, splits)
    if not known:
        print(f"{run}: there is no standard network for this input")
        return
    console().print(standards_table(opened, {name: cost_of(opened, graph) for name, graph in known.items()}))


def specialise(
    run: RunPath,
    board: Annotated[
        list[str], typer.Option(metavar="NAME", help="NAME, NAME/FRAMEWORK or a .yaml file; may be repeated")
    ],
    minutes: Annotated[float, typer.Option(help="budget in minutes for each board")] = 1.5,
    evaluations: Annotated[int, typer.Option(min=1, help="most candidates to score for each board")] = 200,
    out: Annotated[Path | None, typer.Option(help="folder of the new runs; default: that of RUN")] = None,
    config: Annotated[
        str | None,
        typer.Option(help="the configuration that defines the run's data, space or strategy, if they are your own"),
    ] = None,
) -> None:
    """Search a front for each board with the shared weights of RUN; each front is a new run, RUN_BOARD."""
    from edgevolve.engine import specialised, specialised_name
    from edgevolve.reports.terminal import console, front_table, within_soft_bounds

    opened, own = Run.open(run), load_configuration(config) if config else None
    nothing = 0
    for name in board:
        try:
            made = specialised(opened, name, own, minutes=minutes, evaluations=evaluations, out=out)
        except ConfigError as error:
            if len(board) == 1:
                raise
            say(f"{name}: {error}")
            nothing += 1
            continue
        print(f"{specialised_name(opened, name)}: {made.evaluations} candidates in {made.active_seconds:.0f} s")
        records = within_soft_bounds(made)
        console().print(front_table(made, records, len(made.front) - len(records)))
        if not made.front:
            say(f"{name}: {made.stopped.reason if made.stopped else 'no candidate is within the bounds'}")
            nothing += 1
    if nothing:
        raise SystemExit(2)


def _say_trained(run: Run, event: Event) -> None:
    """Print a line when a final training has ended."""
    from edgevolve.reports.final_trainings import trained_line

    if isinstance(event, Retrained):
        print(trained_line(run, event), flush=True)


RUN_COMMANDS: Mapping[str, Callable[..., None]] = {
    "show": show,
    "runs": runs_of,
    "report": report,
    "watch": watch,
    "train": train,
    "standard": standard,
    "specialise": specialise,
}
"""The verbs, in the order of the help."""
