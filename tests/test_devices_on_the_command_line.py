"""Devices as a user meets them: `check`, `search`, `show`."""

import json

import pytest
from terminal import TINY, edgevolve, edgevolve_process

OWN = """

class Chip:
    ops_per_second = 2e6
    memory_bandwidth = 1e6
    provenance = "a guess"


config = config.with_fields(
    devices=[Chip()], problem=Problem([minimise("error", 0.1), minimise("latency_ms", 1.0)]), evaluations=3
)
"""


@pytest.mark.slow
def test_a_device_of_ones_own_is_checked_searched_and_shown(tmp_path):
    (tmp_path / "own.py").write_text(TINY + OWN)
    checked = edgevolve("check", "own.py", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "latency_ms: Chip, a guess\n" in checked.stdout and "latency" in checked.stdout
    searched = edgevolve_process("own.py", "--out", "out", cwd=tmp_path)
    assert searched.returncode == 0, searched.stderr
    assert "latency_ms: Chip, a guess" in searched.stdout
    shown = json.loads(edgevolve("show", "out/own", "--json", cwd=tmp_path).stdout)
    assert all(one["metrics"]["latency_ms"] > 0 and one["intervals"] == {} for one in shown)
    assert shown[0]["provenance"] == {"latency_ms": "Chip, a guess"}


@pytest.mark.parametrize("verb", ["check", "search"])
@pytest.mark.parametrize(
    "line, message",
    [
        ('config = config.with_fields(devices=("tpu9",))', "unknown device 'tpu9': give a .yaml file, or one of"),
        ('config = config.with_fields(devices=("bad.yaml",))', "bad.yaml: figures.memory_bandwidth.value"),
        ('config = config.with_fields(problem=Problem([minimise("latency_ms@tpu9")]))', "unknown device 'tpu9'"),
    ],
)
def test_a_device_that_is_none_is_one_line_with_status_2(tmp_path, verb, line, message):
    figure = "{value: -1, provenance: assumed, source: a guess}"
    figures = f"{{ops_per_second: {figure.replace('-1', '1')}, memory_bandwidth: {figure}}}"
    (tmp_path / "bad.yaml").write_text(f"name: bad\nkind: roofline\ndescription: a chip\nfigures: {figures}\n")
    (tmp_path / "odd.py").write_text(TINY + line + "\n")
    done = edgevolve(verb, "odd.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("edgevolve: ") and done.stderr.count("\n") == 1 and message in done.stderr
    assert not (tmp_path / "artifacts").exists()


def test_devices_are_listed_and_each_figure_says_where_it_comes_from():
    listed = edgevolve("devices")
    assert listed.returncode == 0 and "edge_tpu_v6" in listed.stdout and "rumoured" in listed.stdout
    (v6,) = json.loads(edgevolve("devices", "edge_tpu_v6", "--json").stdout)
    assert v6["figures"]["clock_mhz"]["provenance"] == "rumoured"
    assert all(figure["source"] for figure in v6["figures"].values())
    assert "fitted to Coral's published latencies" in edgevolve("devices", "coral_edge_tpu").stdout


def test_an_unknown_device_is_one_line_and_exit_status_2():
    done = edgevolve("devices", "tpu9")
    assert done.returncode == 2
    assert done.stderr.startswith("edgevolve: unknown device 'tpu9'") and done.stderr.count("\n") == 1
