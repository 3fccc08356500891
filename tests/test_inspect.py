"""`driver.py inspect` of files, as a user runs it."""

import json
import re

import pytest
from terminal import edgevolve

from tests.tflite.tflite_files import small_network


def test_inspect_reads_a_tflite_file(tmp_path):
    model = tmp_path / "model.tflite"
    model.write_bytes(small_network())
    done = edgevolve("inspect", model, "--plot", tmp_path / "map.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("model.tflite\n")
    assert "SPLIT" in done.stdout
    assert "512 B in the file's order, 512 B in the best order" in done.stdout
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    shown = json.loads(edgevolve("inspect", model, "--json").stdout)
    assert shown["file_bytes"] == len(small_network())
    assert shown["arena"]["target"] == "cortex-m"
    on_host = json.loads(edgevolve("inspect", model, "--json", "--target", "host").stdout)["arena"]
    assert on_host["tail_bytes"] > shown["arena"]["tail_bytes"]
    assert on_host["planned_head_bytes"] == shown["arena"]["planned_head_bytes"] >= 512


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", [], r"model\.tflite: empty"),
        (b"\x1c\0\0\0TFL3", [], r"model\.tflite: damaged: the file ends at byte 8, before what it refers to"),
        (None, [], r"model\.tflite: no such file"),
        (small_network(), ["--plot", "map.bmp"], r"map\.bmp: a picture is written as \.png or \.svg"),
        (small_network(), ["--target", "z80"], r"--target z80: give one of cortex-m, cortex-m-dsp, cortex-m-mve, host"),
        (small_network(), ["--plot", "no/map.png"], r"no/map\.png: there is no folder no"),
    ],
)
def test_a_bad_model_file_or_picture_is_one_line_and_exit_status_2(tmp_path, content, options, message):
    if content is not None:
        (tmp_path / "model.tflite").write_bytes(content)
    done = edgevolve("inspect", tmp_path / "model.tflite", *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(rf"edgevolve: .*{message}\n", done.stderr)


def test_inspect_prints_every_operator_and_the_totals(tiny_run):
    path, _ = tiny_run
    done = edgevolve("inspect", f"{path}:best")
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)[0]
    assert done.returncode == 0
    assert done.stdout.count("Dense") == len(best["genotype"]["hidden"]) + 1
    assert "← peak" in done.stdout


def test_inspect_writes_json_and_a_memory_map(tiny_run, tmp_path):
    path, _ = tiny_run
    done = edgevolve("inspect", f"{path}:best", "--json", "--plot", tmp_path / "map.svg")
    shown = json.loads(done.stdout)
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)[0]
    assert shown["macs"] == best["metrics"]["macs"]
    assert shown["peak_memory_bytes"] == best["metrics"]["peak_memory_bytes"]
    assert (tmp_path / "map.svg").read_text().startswith("<?xml")
