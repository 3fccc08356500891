"""Sheets, predictors and measurements from strangers: one clear line, or figures that are finite; never a traceback."""

import copy
import json
import time

import numpy as np
import pytest
import yaml

from predictors import Board, DevicePredictor, PredictorError, analyse, board, boards, device, read_sheet, sheets
from predictors.board import FOLDER as BOARDS
from predictors.measurements import read_measurements, read_network
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
        found = read_sheet(path)
        values = list(analyse(found, GRAPHS[0]).values())
    except PredictorError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return False
    assert np.isfinite(values).all() and min(values) >= 0
    return True


def board_is_refused_or_gives_bounds(path, text):
    path.write_text(text)
    try:
        found = board(str(path))
        every = [Board(found.sheet, framework) for framework in found.sheet.frameworks]
        device = found.device()
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
        found = device(str(path)).predict(GRAPHS[1])
    except PredictorError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return False
    values = [end for one in found.values() for end in (one.value, one.low, one.high) if end is not None]
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


@pytest.fixture(scope="module")
def payload():
    rng = np.random.default_rng(0)
    fitted = DevicePredictor.fit("chip", GRAPHS[:15], rng.uniform(1, 3, 15), rng)
    return fitted.improved(GRAPHS[15:21], rng.uniform(1, 3, 6), rng).to_json()


def test_mutated_sheets_are_refused_in_a_line_or_give_numbers(tmp_path):
    taken = [sheet_is_refused_or_gives_numbers(tmp_path / "s.yaml", text) for text in mutated_sheets(200)]
    assert 10 < sum(taken) < 190


def test_mutated_boards_are_refused_in_a_line_or_give_bounds(tmp_path):
    kept = [BOARDS / f"{one.name}.yaml" for one in boards().values() if "ethos" not in one.latency.device]
    taken = [board_is_refused_or_gives_bounds(tmp_path / "b.yaml", text) for text in mutated(kept, 200, 1)]
    assert 10 < sum(taken) < 190


def test_mutated_predictors_are_refused_in_a_line_or_give_numbers(tmp_path, payload):
    assert predictor_is_refused_or_gives_numbers(tmp_path / "p.json", json.dumps(payload))
    taken = [predictor_is_refused_or_gives_numbers(tmp_path / "p.json", t) for t in mutated_predictors(100, payload)]
    assert 5 < sum(taken) < 100


BOMBS = {
    "timestamp": "name: !!timestamp x\n",
    "merges": "a: &a0 {x: 1}\n" + "".join(f"b{i}: &a{i + 1} {{<<: [*a{i}, *a{i}]}}\n" for i in range(30)),
    "aliases": "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(20)),
    "keys": "".join(f"k{i}: 1\n" for i in range(200_000)),
    "brackets": "[" * 50_000,
    "name": f"name: {'x' * 10**6}\nkind: roofline\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_at_once(tmp_path, bomb):
    begun = time.process_time()
    assert not sheet_is_refused_or_gives_numbers(tmp_path / "s.yaml", BOMBS[bomb])
    assert not board_is_refused_or_gives_bounds(tmp_path / "b.yaml", BOMBS[bomb])
    assert time.process_time() - begun < 60, "hours where merges are not bounded"


def test_a_predictor_that_gives_no_number_is_refused(tmp_path, payload):
    payload = copy.deepcopy(payload)
    payload["regressor"]["width"] = 1e6
    assert not predictor_is_refused_or_gives_numbers(tmp_path / "p.json", json.dumps(payload))


@pytest.mark.parametrize("file", ["/dev/zero", "../outside.json", "link.json", "/etc/passwd", "x" * 5000, "a\0b"])
def test_a_row_names_a_regular_file_of_its_own_folder(tmp_path, file):
    folder = tmp_path / "measured"
    folder.mkdir()
    (tmp_path / "outside.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(PredictorError, match="outside the folder of the CSV|name too long|null byte") as caught:
        read_network(folder / "m.csv", file)
    assert len(str(caught.value)) < 1000


def test_a_pipe_is_no_network_and_no_csv(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(PredictorError, match="pipe.json: not a network: not a regular file"):
        read_network(tmp_path / "m.csv", "pipe.json")
    with pytest.raises(PredictorError, match="cannot be read .not a regular file"):
        read_measurements(tmp_path / "pipe.json", [])


def test_a_csv_with_semicolons_has_decimal_commas(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("\ufefffile;device;latency_ms\na.tflite;chip;0,284\n", encoding="utf-8")
    (row,) = read_measurements(path, ["latency_ms"], "chip")
    assert (row.file, row.values) == ("a.tflite", (0.284,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,latency_ms,latency_ms\na,1,2\n", "two columns are named latency_ms; remove or rename one"),
        ("file,latency_ms\na,1e300\n", "line 2: latency_ms must be from 1e-9 to 1e12, not 1e300"),
        ('file,latency_ms\n"' + "a" * 200_000 + '",1\n', "not a CSV: field larger than field limit"),
    ],
)
def test_what_is_wrong_with_measurements_is_one_line(tmp_path, text, message):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(PredictorError, match=message):
        read_measurements(path, ["latency_ms"])
