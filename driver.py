"""The command line: `python driver.py CONFIG.py` searches, the other verbs look at what was found."""

import errno
import json
import sys
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from edgevolve.configuration import is_configuration, load_configuration
from edgevolve.data import DataError, differs, examine, load_splits
from edgevolve.deployment import ExportError
from edgevolve.device_commands import DEVICE_COMMANDS
from edgevolve.engine import ClusterError, WorkersLostError, final_task, task_of, train_again, try_task
from edgevolve.graph import ShapeError
from edgevolve.process import end_as_by_control_c, leave_within, say, write_any_text
from edgevolve.quantity import quantity
from edgevolve.runs import ConfigError, EmptyJournalError, JournalError, Record, Run, SearchConfig, journal_path
from edgevolve.runs.events import Event, Retrained
from edgevolve.spelling import suggestion
from edgevolve.tflite import C_SUFFIXES, TfliteError, load_tflite, model_bytes, read_tflite, runtimes
from predictors import PredictorError
from predictors import board as board_of
from resource_models import TARGETS, Target
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
"""What the user can put right: one line, exit status 2."""

_MOST_DIGITS = 12
_TARGET_HELP = "cortex-m, cortex-m-dsp, cortex-m-mve or host; no scratch of ESP-NN"

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="a configuration file, or the name of a packaged one")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="artifacts/NAME, or its journal")]
Pick = Annotated[str, typer.Option(metavar="best|knee|N", help="the best candidate, the front's bend, or a number")]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"edgevolve {version('edgevolve')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print it")
    ] = False,
) -> None: ...


@app.command()
def search(
    config: Config,
    name: Annotated[str | None, typer.Option(help="of the run; the configuration's unless given")] = None,
    out: Annotated[Path, typer.Option(help="folder of all runs")] = Path("artifacts"),
    seed: Annotated[int | None, typer.Option(help="of everything random")] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="budget: candidates trained, those before --resume included")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="budget: wall time in all; trainings that run then are waited for")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="one a core unless given")] = None,
    ray_address: Annotated[str | None, typer.Option(help="join a running cluster: HOST:PORT or auto")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on where the journal ends")] = False,
    tensorboard: Annotated[Path | None, typer.Option(metavar="DIR", help="scalars and HParams as they come")] = None,
    mlflow: Annotated[Path | None, typer.Option(metavar="DIR", help="the same for MLflow, in DIR/mlflow.db")] = None,
) -> None:
    """Search for networks; "search" itself may be left out."""
    from edgevolve.searching import search_in_terminal, status

    settings = {"seed": seed, "evaluations": evaluations, "minutes": minutes, "workers": workers}
    chosen = load_config(config).with_fields(**{key: value for key, value in settings.items() if value is not None})
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
def check(config: Config) -> None:
    """Look at the data, and see whether a configuration is valid and what share of its space lies within the bounds."""
    from edgevolve.reports.feasibility import feasibility_table
    from edgevolve.runs.feasibility import feasibility

    chosen = load_config(config)
    task = task_of(chosen)
    chosen.check(task)
    splits = load_splits(chosen.data)
    seen = examine(chosen.data, splits)
    notes = (*seen.notes, *differs(chosen.data, splits), *try_task(chosen, task, splits))
    for line in (*seen.lines, *(f"note: {note}" for note in notes), ""):
        _console().print(line, highlight=False, markup=False, soft_wrap=True)
    found = feasibility(chosen)
    _console().print(feasibility_table(chosen, found))
    if not found.feasible:
        raise ConfigError(f"none of {found.samples} random networks keeps the bounds; see the table")


@app.command()
def show(
    run: RunPath,
    pick: Pick | None = None,
    sort: Annotated[str | None, typer.Option(metavar="METRIC", help="best first")] = None,
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help="of the front: 'peak_memory_bytes < 32k and error < 5%'")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="also what is beyond a soft bound")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="a list of number, genotype, network and metrics")] = False,
) -> None:
    """Print the front."""
    from edgevolve.reports.metrics import metric_names
    from edgevolve.reports.terminal import front_json, front_table, within_soft_bounds
    from edgevolve.reports.where import parse

    opened = Run.open(run)
    records = [_picked(opened, pick)] if pick else opened.front if every or as_json else within_soft_bounds(opened)
    left_out = 0 if pick else len(opened.front) - len(records)
    if where:
        condition = parse(where, set(metric_names(opened)))
        records = [record for record in records if condition(record.metrics)]
    if sort:
        known = metric_names(opened)
        if any(sort not in record.metrics for record in records):
            raise ConfigError(f"--sort {sort}: choose one of {', '.join(known)}{suggestion(sort, known)}")
        records = sorted(records, key=lambda record: opened.cost(sort, record.metrics[sort]))
    if as_json:
        print(json.dumps(front_json(opened, records), indent=1))
    else:
        console = _console()
        console.print(front_table(opened, records, left_out))
        if not pick:
            from edgevolve.reports.scatter import front_scatter

            console.print(front_scatter(opened, records, console.width))


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="of all runs")] = Path("artifacts"),
) -> None:
    """List the runs of a folder."""
    from edgevolve.reports.overview import runs_table

    _console().print(runs_table(folder))


@app.command()
def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="artifacts/NAME, or its journal; several compare")
    ],
    out: Annotated[Path | None, typer.Option(help="folder; RUN/report unless given")] = None,
    pictures: Annotated[bool, typer.Option(help="PNG, SVG and CSV beside the page")] = True,
    tensorboard: Annotated[Path | None, typer.Option(metavar="DIR", help="scalars and HParams as well")] = None,
    mlflow: Annotated[Path | None, typer.Option(metavar="DIR", help="the same for MLflow, in DIR/mlflow.db")] = None,
    open_page: Annotated[bool, typer.Option("--open", help="show it in the browser")] = False,
) -> None:
    """Write report.html, which needs no network, and its plots for papers."""
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


@app.command()
def watch(
    run: RunPath,
    port: Annotated[int, typer.Option(help="on 127.0.0.1; any free one unless given")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="show it in the browser")] = False,
) -> None:
    """Serve a live page of a run, on this machine alone; it changes nothing."""
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


@app.command()
def train(
    run: RunPath,
    pick: Pick = "best",
    epochs: Annotated[int, typer.Option(min=1, help="of each training")] = 300,
    seeds: Annotated[int, typer.Option(min=1, help="how many trainings from scratch")] = 3,
    config: Annotated[str | None, typer.Option(help="where the run's own data set is defined")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="one a seed unless given")] = None,
    ray_address: Annotated[str | None, typer.Option(help="join a running cluster: HOST:PORT or auto")] = None,
) -> None:
    """Train a candidate again, longer, with several seeds; look at the test split once. Export takes the best."""
    from edgevolve.reports.final import final_table
    from edgevolve.runs.provenance import load_data

    opened, own = Run.open(run), load_config(config) if config else None
    number = _picked(opened, pick).number
    splits = load_data(opened, own.data if own else None)
    task = final_task(opened, splits, epochs, own)
    print(f"candidate {number}: {seeds} trainings of {epochs} epochs", flush=True)
    say_trained = partial(_say_trained, opened)
    train_again(opened, number, task, splits, seeds, workers=workers, ray_address=ray_address, observe=say_trained)
    _console().print(final_table(opened, number))
    if not opened.final(number):
        raise SystemExit(1)


def _say_trained(run: Run, event: Event) -> None:
    """A line when a final training has ended."""
    from edgevolve.reports.final import trained_line

    if isinstance(event, Retrained):
        print(trained_line(run, event), flush=True)


@app.command()
def export(
    run: RunPath,
    pick: Pick = "best",
    formats: Annotated[str, typer.Option(metavar="NAME,...", help="of tflite (with Keras), c, onnx, torch")] = "tflite",
    out: Annotated[Path | None, typer.Option(help="folder; RUN/export/NUMBER unless given")] = None,
    config: Annotated[str | None, typer.Option(help="where the run's own data set is defined")] = None,
    target: Annotated[
        str | None, typer.Option(help=f"whose arena manifest and C code give; a board has its own: {_TARGET_HELP}")
    ] = None,
) -> None:
    """Write an int8 .tflite, a Keras model and a manifest with test accuracy; or other formats."""
    from edgevolve.deployment.formats import parse_formats
    from edgevolve.reports.terminal import export_table
    from edgevolve.runs.provenance import facts, load_data
    from edgevolve.training.session import configure_tensorflow

    chosen = parse_formats(formats)
    opened = Run.open(run)
    device = _device(target) if target else opened.target if opened.board else None
    record = _picked(opened, pick)
    weights = opened.final_weights(record.number)
    splits = load_data(opened, load_config(config).data if config else None)
    configure_tensorflow(threads=1)
    from edgevolve.deployment.export import export as export_model

    folder = out or opened.folder / "export" / str(record.number)
    graph = opened.graph(record.number)
    about, name = facts(opened, record.number), f"{opened.started.name}_{record.number}"
    manifest = export_model(folder, graph, weights, splits, about, chosen, name, device)
    _console().print(export_table(opened, folder, record, json.loads(manifest.to_json())))


@app.command()
def optimise(
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="any file, or a C array of it")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.tflite", help="where to write")],
    slower: Annotated[str, typer.Option(metavar="SHARE", help="how much more work parts in bands may take: 20%")] = "0",
    arena: Annotated[
        str | None, typer.Option(metavar="BYTES", help="as little more work as brings it to this: 64k")
    ] = None,
) -> None:
    """Give any .tflite the memory plan that needs the least; its outputs stay the same to the bit.

    With --slower, large maps are computed in bands, so that they are never in memory as a whole.
    """
    from edgevolve.deployment.optimise import optimised
    from edgevolve.reports.arena import runtime_facts
    from edgevolve.reports.terminal import optimised_table

    if out.suffix.lower() in C_SUFFIXES:
        raise ExportError(f"--out {out}: what is written is a .tflite; end its name so")
    content = model_bytes(model)
    most_arena_bytes = int(_number("--arena", arena)) if arena else 0
    found = optimised(content, _number("--slower", slower) or float(bool(arena)), most_arena_bytes)
    try:
        out.write_bytes(found.model)
    except OSError as error:
        raise ExportError(f"{error.filename}: {error.strerror}") from error
    _console().print(optimised_table(out, len(content), asdict(found)))
    for runtime, words in runtime_facts(file := read_tflite(found.model), runtimes(file)).items():
        _console().print(f"{runtime}: {words}", highlight=False, markup=False)


def _number(option: str, text: str) -> float:
    try:
        number = quantity(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if number < 0:
        raise ConfigError(f"{option} {text}: is below 0")
    return number


@app.command()
def inspect(
    network: Annotated[
        str, typer.Argument(metavar="MODEL.tflite|RUN:N", help="a file; or a run and a candidate, number, best or knee")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="the same as one JSON object")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="memory over time as .png or .svg")] = None,
    target: Annotated[str | None, typer.Option(help=f"a run's board, or {_TARGET_HELP}")] = None,
    board: Annotated[str | None, typer.Option(metavar="NAME", help="does it fit? see the verb boards")] = None,
) -> None:
    """Print a network operator by operator: shapes, multiply-accumulates, weights, live memory, what sets the peak."""
    from edgevolve.reports.memory_map import check_picture, save_arena_map, save_live_map
    from edgevolve.reports.network import inspect_file, inspect_network, network_json, network_table

    if plot:
        check_picture(plot)
    if target and board:
        raise ConfigError("give --target or --board: a board has its kernels")
    on = board_of(board) if board else None
    device = on.target if on else _device(target or "cortex-m")
    path, colon, pick = network.rpartition(":")
    if network.lower().endswith(".tflite") or Path(network).is_file():
        found, title = inspect_file(load_tflite(Path(network)), device), Path(network).name
        if found.footprint and found.footprint.unmodelled:
            from edgevolve.deployment.micro import arena_needed

            found = replace(found, measured=arena_needed(model_bytes(Path(network))))
    elif colon:
        opened = Run.open(path)
        record = _picked(opened, pick)
        device = device if target or on else opened.target
        found = inspect_network(opened.graph(record.number), device)
        title = f"candidate {record.number}: {record.description}"
    else:
        raise ConfigError(f"{network}: write MODEL.tflite, or RUN:N such as artifacts/digits_aging:best")
    found = replace(found, board=on)
    if plot and found.footprint:
        save_arena_map(plot, found.file or found.graph, device, title)
    elif plot:
        save_live_map(plot, found.graph, title)
    if as_json:
        print(json.dumps(network_json(found), indent=1))
    else:
        console = _console()
        console.print(title, highlight=False, markup=False)
        console.print(network_table(found))


for verb, command in DEVICE_COMMANDS.items():
    app.command(verb)(command)


def load_config(name: str) -> SearchConfig:
    """Run a configuration file, the user's own Python, and take its `config`. Raises `ConfigError`."""
    return load_configuration(name, _packaged(), tuple(_verbs()))


def _packaged() -> Path:
    import configs

    return Path(str(configs.__file__)).parent


def _verbs() -> list[str]:
    return [str(known.name or getattr(known.callback, "__name__", "")) for known in app.registered_commands]


def _device(target: str) -> Target:
    if target.lower() in ("esp-nn", "esp32", "esp32s3"):
        raise ConfigError(f"--target {target}: the scratch of ESP-NN's kernels is not known; cortex-m leaves it out")
    if target not in TARGETS:
        raise ConfigError(f"--target {target}: give one of {', '.join(TARGETS)}{suggestion(target, TARGETS)}")
    return TARGETS[target]


def _picked(run: Run, pick: str) -> Record:
    if pick in ("best", "knee"):
        record = run.best if pick == "best" else run.knee
        if record is None:
            raise JournalError(f"{run.path}: no candidate has completed within the bounds yet")
        return record
    if not pick.isdecimal() or len(pick) > _MOST_DIGITS:
        raise ConfigError(f"--pick {pick[:40]}: give best, knee, or a candidate's number")
    return run.record(int(pick))


def _console() -> Any:
    from edgevolve.reports.terminal import console

    return console()


def main() -> None:
    """Run the command line; exits with 0, 1 for a failed run, 2 for bad input, 130 for an interrupt."""
    write_any_text()
    end_as_by_control_c()
    arguments = sys.argv[1:]
    if arguments and arguments[0] not in _verbs() and not arguments[0].startswith("-"):
        slip = suggestion(arguments[0], _verbs())
        if slip and not is_configuration(arguments[0], _packaged()):
            say(f"{arguments[0]}: neither a verb nor a configuration{slip}")
            raise SystemExit(2)
        arguments = ["search", *arguments]
    try:
        app(arguments)
    except BAD_INPUT as error:
        say(str(error))
        raise SystemExit(2) from None
    except WorkersLostError as error:
        say(f"{error}; what finished is kept: add --resume to go on")
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
