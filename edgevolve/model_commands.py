"""Verbs of the command line for a network or a model file: export, optimise, inspect."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from edgevolve.arguments import Pick, RunPath, number_of, picked
from edgevolve.configuration import load_configuration
from edgevolve.deployment import ExportError
from edgevolve.graph import Graph
from edgevolve.runs import ConfigError, Run
from edgevolve.runs.task import Resources, enough_arena_bytes
from edgevolve.spelling import suggestion
from edgevolve.tflite import C_SUFFIXES, load_tflite, model_bytes, read_tflite, runtimes
from predictors import ENERGY, LATENCY, PredictorError
from predictors import board as board_of
from predictors import device as device_of
from resource_models import TARGETS, Target

_TARGET_HELP = "cortex-m, cortex-m-dsp, cortex-m-mve or host; none counts the scratch memory of ESP-NN"


def export(
    run: RunPath,
    pick: Pick = "best",
    formats: Annotated[
        str, typer.Option(metavar="NAME,...", help="any of tflite (with Keras), c, onnx, torch")
    ] = "tflite",
    out: Annotated[Path | None, typer.Option(help="folder to write; default: RUN/export/NUMBER")] = None,
    config: Annotated[
        str | None, typer.Option(help="the configuration that defines the run's data set, if it is your own")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help=f"kernels for which manifest and C code give the arena; default: the board's. {_TARGET_HELP}"
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--set", metavar="N", min=2, help="export N networks that share weights, as one bundle"),
    ] = None,
) -> None:
    """Write an int8 .tflite, a Keras model and a manifest with test accuracy; or other formats.

    With --set, write C code that switches at run time between the candidate and smaller networks with shared weights.
    """
    from edgevolve.deployment.formats import parse_formats
    from edgevolve.reports.terminal import console, export_table
    from edgevolve.runs.provenance import facts, load_data
    from edgevolve.training.session import configure_tensorflow

    chosen = parse_formats(formats)
    opened = Run.open(run)
    device = _device(target) if target else opened.target if opened.board else None
    record = picked(opened, pick)
    if size is not None:
        _export_set(opened, record.number, size, out, config, device)
        return
    weights = opened.final_weights(record.number)
    splits = load_data(opened, load_configuration(config).data if config else None, record.number)
    configure_tensorflow(threads=1)
    from edgevolve.deployment.export import export as export_model

    folder = out or opened.folder / "export" / str(record.number)
    graph = opened.final_graph(record.number)
    slower = float(opened.started.config.get("slower", 0.0))
    enough = 0 if opened.board or splits.front_end else enough_arena_bytes(opened.problem)
    if graph != opened.graph(record.number):
        record = replace(record, metrics={**record.metrics, **Resources()(graph)})
    about, name = facts(opened, record.number), f"{opened.started.name}_{record.number}"
    manifest = export_model(folder, graph, weights, splits, about, chosen, name, device, slower, enough)
    console().print(export_table(opened, folder, record, json.loads(manifest.to_json())))


def _export_set(run: Run, number: int, size: int, out: Path | None, config: str | None, device: Target | None) -> None:
    from edgevolve.reports.terminal import console, set_table
    from edgevolve.runs.provenance import facts, load_data
    from edgevolve.training.session import configure_tensorflow

    own = load_configuration(config) if config else None
    splits = load_data(run, own.data if own else None, number)
    configure_tensorflow(threads=1)
    from edgevolve.deployment.export_set import Member, export_set
    from edgevolve.engine import family

    relatives = family(run, number, size, splits, own)
    members = []
    for one in relatives:
        about = {"network": one.description, "genotype": one.genotype}
        about |= {"metrics": {run.score.name: one.error, "macs": one.macs}, "relative_of": number, "final": None}
        members.append(
            Member(one.graph, one.weights, {**facts(run, number), **about}, *_time_and_energy(run, one.graph))
        )
    folder = out or run.folder / "export" / f"{number}_set_of_{size}"
    exported = export_set(folder, members, splits, f"{run.started.name}_{number}_set", device)
    console().print(set_table(folder, asdict(exported)))
    if len(relatives) < size:
        print(f"{size} were asked for; no more of the networks that share these weights are worth having")


def _time_and_energy(run: Run, graph: Graph) -> tuple[float, float]:
    """Milliseconds and microjoules of an inference on the run's board or its only packaged device; 0 if unknown."""
    try:
        on = board_of(run.board.name).device() if run.board else None
        if on is None and len(run.devices) == 1:
            on = device_of(run.devices[0].name)
        predicted = on.predict(graph) if on else {}
    except PredictorError:
        return 0.0, 0.0
    latency_ms, energy_uj = (
        predicted[name].value if name in predicted else 0.0 for name in (LATENCY.name, ENERGY.name)
    )
    return latency_ms, energy_uj


def optimise(
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="a .tflite file, or a C array of one")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.tflite", help="the file to write")],
    slower: Annotated[
        str, typer.Option(metavar="SHARE", help="extra work allowed to compute parts in bands, such as 20%")
    ] = "0",
    arena: Annotated[
        str | None, typer.Option(metavar="BYTES", help="use the least extra work that reaches this arena, such as 64k")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw arena against work and flash as .png or .svg")
    ] = None,
) -> None:
    """Give any .tflite the memory plan with the smallest arena; its outputs stay the same to the bit.

    With --slower, large maps are computed in bands, so that they are never in memory as a whole.
    """
    from edgevolve.deployment.optimise import optimised
    from edgevolve.reports.arena_words import runtime_facts
    from edgevolve.reports.picture_file import check_picture
    from edgevolve.reports.terminal import console, optimised_table
    from edgevolve.reports.trade_off import save_trade_off

    if plot:
        check_picture(plot)
    if out.suffix.lower() in C_SUFFIXES:
        raise ExportError(f"--out {out}: the output is a .tflite file; end its name in .tflite")
    content = model_bytes(model)
    most_arena_bytes = int(number_of("--arena", arena)) if arena else 0
    share = number_of("--slower", slower) or float(bool(arena))
    if plot and not share:
        raise ConfigError(f"--plot {plot}: shows what bands trade; give --slower or --arena with it")
    result = optimised(content, share, most_arena_bytes)
    if plot and not result.arenas:
        raise ConfigError(
            f"--plot {plot}: {model} cannot be computed in bands: several subgraphs, variables or sizes left open"
        )
    try:
        out.write_bytes(result.model)
    except OSError as error:
        raise ExportError(f"{error.filename}: {error.strerror}") from error
    if plot:
        save_trade_off(plot, result.arenas, model.name)
    console().print(optimised_table(out, len(content), asdict(result)))
    for runtime, words in runtime_facts(file := read_tflite(result.model), runtimes(file)).items():
        console().print(f"{runtime}: {words}", highlight=False, markup=False)


def inspect(
    network: Annotated[
        str,
        typer.Argument(
            metavar="MODEL.tflite|RUN:N", help="a .tflite file, or RUN:N with a candidate's number, best, small or knee"
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="print the same as one JSON object")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="draw memory over time as .png or .svg")] = None,
    target: Annotated[
        str | None, typer.Option(help=f"kernels to plan for; default: those of the run's board. {_TARGET_HELP}")
    ] = None,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="say whether the file fits this board; `boards` lists them")
    ] = None,
) -> None:
    """Print a network operator by operator: shapes, multiply-accumulates, weights, live memory, what sets the peak."""
    from edgevolve.reports.memory_map import save_arena_map, save_live_map
    from edgevolve.reports.network import inspect_file, inspect_network, network_json, network_table
    from edgevolve.reports.picture_file import check_picture
    from edgevolve.reports.terminal import console

    if plot:
        check_picture(plot)
    if target and board:
        raise ConfigError("give --target or --board: a board has its kernels")
    on = board_of(board) if board else None
    device = on.target if on else _device(target or "cortex-m")
    path, colon, pick = network.rpartition(":")
    if network.lower().endswith(".tflite") or Path(network).is_file():
        inspected, title = inspect_file(load_tflite(Path(network)), device), Path(network).name
        if inspected.footprint and inspected.footprint.unmodelled:
            from edgevolve.deployment.micro import arena_needed

            inspected = replace(inspected, measured=arena_needed(model_bytes(Path(network))))
    elif colon:
        opened = Run.open(path)
        record = picked(opened, pick)
        device = device if target or on else opened.target
        inspected = inspect_network(opened.graph(record.number), device)
        title = f"candidate {record.number}: {record.description}"
    else:
        raise ConfigError(f"{network}: write MODEL.tflite, or RUN:N such as artifacts/digits_aging:best")
    inspected = replace(inspected, board=on)
    if plot and inspected.footprint:
        save_arena_map(plot, inspected.file or inspected.graph, device, title)
    elif plot:
        save_live_map(plot, inspected.graph, title)
    if as_json:
        print(json.dumps(network_json(inspected), indent=1))
    else:
        terminal = console()
        terminal.print(title, highlight=False, markup=False)
        terminal.print(network_table(inspected))


def _device(target: str) -> Target:
    if target.lower() in ("esp-nn", "esp32", "esp32s3"):
        raise ConfigError(f"--target {target}: the scratch of ESP-NN's kernels is not known; cortex-m leaves it out")
    if target not in TARGETS:
        raise ConfigError(f"--target {target}: give one of {', '.join(TARGETS)}{suggestion(target, TARGETS)}")
    return TARGETS[target]


MODEL_COMMANDS: Mapping[str, Callable[..., None]] = {"export": export, "optimise": optimise, "inspect": inspect}
"""The verbs, in the order of the help."""
