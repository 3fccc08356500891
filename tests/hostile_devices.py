"""Sheets, boards and predictors that anybody may have written: changed at random, then read and asked."""

import copy
import json

import numpy as np
import yaml

from predictors import Board, DevicePredictor, PredictorError, analyse, board, boards, device, read_sheet, sheets
from predictors.board import FOLDER as BOARDS
from predictors.sheets import FOLDER
from tests.training.random_graphs import random_graph

GRAPHS = [graph for graph in map(random_graph, range(30)) if len(graph.nodes) > 2]
ODD = [None, True, -1, 0, 1e-320, 1e308, 1e999, 10**400, float("nan"), "", "x" * 9, "1" * 400, [], {}, [[1]], {"a": 1}]
SCRAPS = [
    "{",
    "]",
    "&a ",
    "*a",
    "!!timestamp x",
    "!!int q",
    "!!binary x",
    "<<: ",
    "- ",
    "\t",
    "2020-01-01",
    "1e400",
    ".inf",
]


def places(value, path=()):
    """The path to every part of a JSON value."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def changed(payload, rng):
    """A copy with one to three parts replaced, removed or doubled."""
    payload = copy.deepcopy(payload)
    for _ in range(int(rng.integers(1, 4))):
        depths = [path for path in places(payload) if path]
        if not depths:
            return payload
        *above, last = depths[int(rng.integers(len(depths)))]
        owner = payload
        for key in above:
            owner = owner[key]
        match rng.integers(4):
            case 0:
                del owner[last]
            case 1 if isinstance(owner, list):
                owner.append(copy.deepcopy(owner[last]))
            case 2 if isinstance(owner[last], int | float):
                owner[last] = owner[last] * [-1, 1e9, 1e300, 1e-300][int(rng.integers(4))]
            case _:
                owner[last] = copy.deepcopy(ODD[int(rng.integers(len(ODD)))])
    return payload


def scrawled(text, rng):
    """`text` with a piece put in, cut out or written twice."""
    start, end = sorted(rng.integers(len(text) + 1, size=2).tolist())
    end = min(end, start + 40)
    piece = SCRAPS[int(rng.integers(len(SCRAPS)))]
    return text[:start] + [piece, "", text[start:end] * 2][int(rng.integers(3))] + text[end:]


def sheet_is_refused_or_gives_numbers(path, text):
    path.write_text(text)
    try:
        sheet = read_sheet(path)
        values = list(analyse(sheet, GRAPHS[0]).values())
    except PredictorError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return False
    assert np.isfinite(values).all() and min(values) >= 0
    return True


def board_is_refused_or_gives_bounds(path, text):
    path.write_text(text)
    try:
        chosen = board(str(path))
        every = [Board(chosen.sheet, framework) for framework in chosen.sheet.frameworks]
        device = chosen.device()
        latency = device.predict(GRAPHS[0])["latency_ms"].value if device else 0
    except PredictorError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return False
    assert all(room.free_bytes > 0 for one in every for room in one.rooms.values())
    assert all(word and "\n" not in word for one in every for word in one.words)
    assert np.isfinite(latency) and latency >= 0
    return True


def predictor_is_refused_or_gives_numbers(path, text):
    path.write_text(text)
    try:
        estimates = device(str(path)).predict(GRAPHS[1])
    except PredictorError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return False
    values = [end for one in estimates.values() for end in (one.value, one.low, one.high) if end is not None]
    assert np.isfinite(values).all() and min(values) >= 0
    return True


def mutated_sheets(number, seed=0):
    """Texts of sheets, of every kind that needs no compiler, changed as data or as text."""
    yield from mutated(
        [FOLDER / f"{x.name}.yaml" for x in sheets().values() if x.kind not in ("vela", "host")], number, seed
    )


def mutated(kept, number, seed):
    """Texts of YAML files changed as data or as text."""
    rng = np.random.default_rng(seed)
    for turn in range(number):
        text = kept[turn % len(kept)].read_text()
        yield scrawled(text, rng) if turn % 2 else yaml.safe_dump(changed(yaml.safe_load(text), rng))


def mutated_predictors(number, payload, seed=0):
    """Texts of predictors, changed as data or as text."""
    rng = np.random.default_rng(seed)
    text = json.dumps(payload)
    for turn in range(number):
        yield scrawled(text, rng) if turn % 4 == 3 else json.dumps(changed(payload, rng))


def mutated_boards(number, seed=1):
    """Texts of boards, changed as data or as text; those of an Ethos-U need its compiler."""
    kept = [BOARDS / f"{one.name}.yaml" for one in boards().values() if "ethos" not in one.latency.device]
    yield from mutated(kept, number, seed)


def fitted_predictor():
    """The JSON of a predictor with all its parts."""
    rng = np.random.default_rng(0)
    fitted = DevicePredictor.fit("chip", GRAPHS[:15], rng.uniform(1, 3, 15), rng)
    return fitted.improved(GRAPHS[15:21], rng.uniform(1, 3, 6), rng).to_json()
