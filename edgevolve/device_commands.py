"""Verbs of the command line for devices: list, measure, learn, predict, validate."""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edgevolve.graph import graph_hash
from edgevolve.quantity import quantity
from edgevolve.tflite import model_bytes
from predictors import (
    DevicePredictor,
    PredictorError,
    board,
    boards,
    check_device,
    profile,
    read_measurements,
    read_networks,
    read_predictions,
    sheet,
    sheets,
    write_predictions,
)
from predictors import validate as compare

Measured = Annotated[str, typer.Option("--device", metavar="cpu|usb:0|pci:0", help="processor or Edge TPU to measure")]
Threads = Annotated[int, typer.Option(help="threads of the interpreter")]
Cores = Annotated[str | None, typer.Option(metavar="N,...", help="run on these cores of the processor; default: any")]
Repeats = Annotated[int, typer.Option(help="least number of timed inferences, after a warm-up")]
Rows = Annotated[Path, typer.Argument(metavar="CSV", help="rows with the columns file and latency_ms")]
Seed = Annotated[int, typer.Option(help="seed of all random numbers")]


def devices(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="DEVICE", help="names or .yaml files; default: all")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON: the sheets, each figure with provenance and source")
    ] = False,
) -> None:
    """List the devices; with names, show each figure with its source."""
    from edgevolve.reports.device_tables import device_table, figure_table
    from edgevolve.reports.terminal import console

    named = [name for name in names or () if name.partition("/")[0] in boards()]
    if named:
        raise PredictorError(f"{named[0]} is a board; to see it run: edgevolve boards {named[0]}")
    chosen = [sheet(name) for name in names] if names else list(sheets().values())
    if as_json:
        print(json.dumps([chosen_sheet.model_dump(mode="json") for chosen_sheet in chosen], indent=1))
    elif names:
        for chosen_sheet in chosen:
            console().print(figure_table(chosen_sheet))
    else:
        console().print(device_table(chosen))


def boards_of(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="BOARD", help="NAME, NAME/FRAMEWORK or a .yaml file; default: all")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON: the boards, each figure with provenance and source")
    ] = False,
) -> None:
    """List the boards with their free memory and kernels; with names, show each figure with its source."""
    from edgevolve.reports.device_tables import board_figures, board_json, board_table
    from edgevolve.reports.terminal import console

    if as_json:
        print(json.dumps([board_json(board(name)) for name in names or boards()], indent=1))
    elif names:
        for described in map(board, names):
            console().print(board_figures(described))
    else:
        console().print(board_table(list(boards().values())))


def profile_model(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL.tflite", help="a .tflite file, or a C array of one; inputs are random")
    ],
    device: Measured = "cpu",
    threads: Threads = 1,
    cores: Cores = None,
    repeats: Repeats = 50,
    as_json: Annotated[bool, typer.Option("--json", help="print the same as one JSON object")] = False,
) -> None:
    """Measure the time of one inference on a device."""
    try:
        timed = profile(model_bytes(model), device, threads=threads, cores=_cores(cores), runs=repeats)
    except PredictorError as error:
        raise PredictorError(f"{model}: {error}") from None
    if as_json:
        print(json.dumps({"model": model.name, **asdict(timed)}))
        return
    print(
        f"{model.name} on {timed.device}, {timed.threads} thread{'s' if threads > 1 else ''}, {timed.runs} inferences: "
        f"median {timed.latency_ms:.4g} ms, 90th percentile {timed.p90_ms:.4g} ms, least {timed.least_ms:.4g} ms, "
        f"spread {timed.spread:.1%}"
    )


def calibrate(
    out: Annotated[Path, typer.Option(help="CSV file; networks already in it are not measured again")] = Path(
        "calibration.csv"
    ),
    device: Measured = "cpu",
    networks: Annotated[int, typer.Option(min=1, help="number of networks")] = 200,
    at_most: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="random networks of at most this size, such as 250k, instead of published families"
        ),
    ] = None,
    layers: Annotated[bool, typer.Option(help="also measure each layer by itself")] = True,
    threads: Threads = 1,
    cores: Cores = None,
    repeats: Repeats = 50,
    seed: Seed = 0,
    ray_address: Annotated[
        str | None, typer.Option(help="measure on each node of a cluster: HOST:PORT or auto")
    ] = None,
    emit: Annotated[
        Path | None, typer.Option(metavar="DIR", help="only write .tflite files, to measure elsewhere")
    ] = None,
) -> None:
    """Measure many networks on a device into a CSV, one at a time on each node; or write them to measure elsewhere."""
    from edgevolve.engine import calibration, corpus

    chosen_cores = _cores(cores)
    if not emit and not ray_address:
        check_device(device)
    try:
        source = corpus.small(networks, seed, int(quantity(at_most))) if at_most else corpus.variants(networks, seed)
        chosen = list(source)
    except ValueError as error:
        raise PredictorError(f"--at-most {at_most}: {error}") from None
    if emit:
        print(f"{calibration.emit(chosen, emit)}: {networks} networks; fill in latency_ms, then fit")
        return
    measure = calibration.Measure(device, threads, chosen_cores, repeats)

    def observe(done: int, of: int) -> None:
        if sys.stderr.isatty() or done == of or done % 100 == 0:
            print(f"\r[{done}/{of}]", end="\n" if done == of else "", file=sys.stderr, flush=True)

    pool = calibration.on_ray(ray_address or os.environ.get("RAY_ADDRESS"))
    asked = calibration.with_layers(chosen) if layers else chosen
    try:
        progress = calibration.calibrate(asked, out, measure, evaluator=pool, observe=observe)
    except KeyboardInterrupt:
        print("edgevolve: interrupted; run the same command again to continue", file=sys.stderr)
        raise SystemExit(130) from None
    for description, reason in progress.failed[:5]:
        print(f"edgevolve: {description}: {reason}", file=sys.stderr)
    print(
        f"{out}: {progress.measured} measured, {progress.known} measured before, "
        f"{len(progress.failed)} could not be measured"
    )
    if not progress.measured and not progress.known:
        raise SystemExit(1)


def fit(
    csv: Rows,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="PREDICTOR.json", help="the predictor to write")],
    device: Annotated[str | None, typer.Option(help="use only the rows of this device")] = None,
    known: Annotated[
        str | None,
        typer.Option("--sheet", metavar="DEVICE", help="start from the figures of this sheet: a name or .yaml file"),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Fit a predictor of a device to measurements, and print its error on held-out networks."""
    from edgevolve.reports.device_tables import predictor_table
    from edgevolve.reports.terminal import console

    about = sheet(known) if known else None
    rows = read_measurements(csv, ["latency_ms"], device)
    graphs = read_networks(csv, [row.file for row in rows])
    name = device or (about.name if about else csv.stem)
    latencies = [row.values[0] for row in rows]
    fitted = DevicePredictor.fit(name, graphs, latencies, np.random.default_rng(seed), sheet=about)
    _save(fitted, out)
    console().print(predictor_table(fitted))


def predict(
    predictor: Annotated[Path, typer.Argument(metavar="PREDICTOR.json", help="a predictor that fit wrote")],
    csv: Annotated[Path, typer.Argument(metavar="CSV", help="rows with the column file; no measurements needed")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT.csv", help="the table of latencies and intervals to write")
    ],
) -> None:
    """Predict the latency of the networks in a CSV."""
    fitted = DevicePredictor.load(predictor)
    files = [row.file for row in read_measurements(csv, [])]
    write_predictions(out, files, fitted.predict(read_networks(csv, files)))
    print(f"{out}: {len(files)} predictions for {fitted.device}")


def validate(
    predicted: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="a CSV that predict wrote, or a predictor's .json")
    ],
    csv: Rows,
    device: Annotated[str | None, typer.Option(help="use only the rows of this device")] = None,
    improve: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="also write the predictor improved by these measurements")
    ] = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the same as one JSON object")] = False,
) -> None:
    """Compare predictions with measurements of whole networks; rows of single layers are left out."""
    from edgevolve.reports.device_tables import validation_table
    from edgevolve.reports.terminal import console

    fitted = DevicePredictor.load(predicted) if predicted.suffix == ".json" else None
    if improve and fitted is None:
        raise PredictorError(f"--improve needs the predictor itself: give its .json, not {predicted}")
    rows = read_measurements(csv, ["latency_ms"], device)
    graphs = read_networks(csv, [row.file for row in rows])
    pairs = [(row, graph) for row, graph in zip(rows, graphs, strict=True) if len(graph.nodes) > 1]
    if len(pairs) < 2:
        raise PredictorError(f"{csv}: validation needs at least 2 networks of several layers; it has {len(pairs)}")
    whole = [graph for _, graph in pairs]
    truth = np.array([row.values[0] for row, _ in pairs])
    different = len({graph_hash(graph) for graph in whole})
    if fitted:
        guess = fitted.predict(whole)
        result = compare(guess.value, truth, guess.low, guess.high, different)
        if improve:
            _save(fitted.improved(whole, truth, np.random.default_rng(seed)), improve)
    else:
        value, low, high = read_predictions(predicted, [row.file for row, _ in pairs]).T
        result = compare(value, truth, low, high, different)
    if as_json:
        print(json.dumps({key: value if value == value else None for key, value in asdict(result).items()}))
    else:
        console().print(validation_table(result))


def _save(fitted: DevicePredictor, path: Path) -> None:
    try:
        fitted.save(path)
    except OSError as error:
        raise PredictorError(f"{path}: {error.strerror or error}") from error


def _cores(text: str | None) -> tuple[int, ...]:
    if not text:
        return ()
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise PredictorError(f"--cores {text}: write numbers, such as 0,1")
    return tuple(map(int, text.split(",")))


DEVICE_COMMANDS: Mapping[str, Callable[..., None]] = {
    "devices": devices,
    "boards": boards_of,
    "profile": profile_model,
    "calibrate": calibrate,
    "fit": fit,
    "predict": predict,
    "validate": validate,
}
"""The verbs, in the order of the help."""
