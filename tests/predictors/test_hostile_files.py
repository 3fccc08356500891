"""Sheets, predictors and measurements from strangers: one clear line, or figures that are finite; never a traceback."""

import copy
import json
import time

import pytest
from hostile_devices import (
    board_is_refused_or_gives_bounds,
    fitted_predictor,
    mutated_boards,
    mutated_predictors,
    mutated_sheets,
    predictor_is_refused_or_gives_numbers,
    sheet_is_refused_or_gives_numbers,
)

from predictors import PredictorError
from predictors.measure.measurements import read_measurements, read_network


@pytest.fixture(scope="module")
def payload():
    return fitted_predictor()


def test_mutated_sheets_are_refused_in_a_line_or_give_numbers(tmp_path):
    taken = [sheet_is_refused_or_gives_numbers(tmp_path / "s.yaml", text) for text in mutated_sheets(200)]
    assert 10 < sum(taken) < 190


def test_mutated_boards_are_refused_in_a_line_or_give_bounds(tmp_path):
    taken = [board_is_refused_or_gives_bounds(tmp_path / "b.yaml", text) for text in mutated_boards(200)]
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


def test_a_last_line_that_was_cut_off_within_a_character_is_left_out(tmp_path):
    whole = "file,words,latency_ms\na.json,conv → dense,1\nb.json,conv → dense,2\n".encode()
    cut = whole.rindex("→".encode())
    for end in range(cut, cut + 4):
        (tmp_path / "c.csv").write_bytes(whole[:end])
        assert [row.file for row in read_measurements(tmp_path / "c.csv", ["latency_ms"])] == ["a.json"]
