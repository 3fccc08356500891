import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest
import ray

from edgevolve.engine import Measure, calibrate
from edgevolve.engine.calibration import COLUMNS, emit, on_ray, with_layers
from edgevolve.engine.corpus import small, variants
from edgevolve.engine.ray_pool import RayPool
from edgevolve.graph import graph_hash, to_json
from edgevolve.tflite import load_tflite, skeleton
from predictors import PredictorError, read_measurements
from predictors.measure.measurements import read_networks
from search_space.families import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
QUICK = Measure(runs=1)


def networks(count, seed=0):
    return list(small(count, seed, 60_000))


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


class Counted(Measure):
    """Measures as `Measure` does, and remembers what."""

    seen: ClassVar[list[str]] = []

    def __call__(self, job, splits):
        Counted.seen.append(graph_hash(job.graph))
        return super().__call__(job, splits)


@pytest.fixture
def counted():
    Counted.seen.clear()
    return Counted(runs=1)


def test_every_network_is_a_row_from_which_it_is_built_again(tmp_path):
    path, asked, reports = tmp_path / "c.csv", networks(5), []
    calibration = calibrate(asked, path, QUICK, observe=lambda done, of: reports.append((done, of)))
    assert (calibration.measured, calibration.known, calibration.failed) == (5, 0, ())
    assert reports == [(i, 5) for i in range(1, 6)]
    assert tuple(rows(path)[0]) == COLUMNS
    for row, network in zip(rows(path), asked, strict=True):
        (again,) = read_networks(path, [row["file"]])
        assert to_json(again) == to_json(network.graph)
        assert row["hash"] == graph_hash(network.graph) and row["description"] == network.description
        assert 0 < float(row["least_ms"]) <= float(row["latency_ms"]) <= float(row["p90_ms"])


def test_what_was_measured_is_not_measured_again(tmp_path, counted):
    path, asked = tmp_path / "c.csv", networks(6)
    calibrate(asked[:4], path, counted)
    before = path.read_bytes()
    calibration = calibrate([*asked, *asked], path, counted)
    assert (calibration.measured, calibration.known) == (2, 10)
    assert path.read_bytes().startswith(before)
    assert sorted(Counted.seen) == sorted({graph_hash(network.graph) for network in asked})


def test_other_threads_in_one_file_are_refused_before_anything_is_measured(tmp_path, counted):
    path = tmp_path / "c.csv"
    calibrate(networks(1), path, counted)
    before = path.read_bytes()
    with pytest.raises(PredictorError, match="with 1 thread.* give --threads 1 or another --out"):
        calibrate(networks(2), path, Measure(runs=1, threads=2))
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_torn_last_line_is_left_out_by_readers_and_measured_again(tmp_path, cut):
    path, asked = tmp_path / "c.csv", networks(4)
    calibrate(asked, path, QUICK)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert len(read_measurements(path, ["latency_ms"])) in (3, 4)
    calibration = calibrate(asked, path, QUICK)
    assert 1 <= calibration.measured <= 2
    assert [row["hash"] for row in rows(path)] == [graph_hash(network.graph) for network in asked]


def test_a_network_that_cannot_run_is_named_and_the_others_are_measured(tmp_path):
    class Picky(Measure):
        def __call__(self, job, splits):
            if job.number == 1:
                raise PredictorError("not this one")
            return super().__call__(job, splits)

    asked = networks(3)
    calibration = calibrate(asked, tmp_path / "c.csv", Picky(runs=1))
    assert calibration.failed == ((asked[1].description, "not this one"),) and calibration.measured == 2
    assert len(rows(tmp_path / "c.csv")) == 2


def test_only_one_calibration_writes_to_a_file(tmp_path):
    class Nested(Measure):
        def __call__(self, job, splits):
            calibrate(networks(3), tmp_path / "c.csv", QUICK)

    calibration = calibrate(networks(1), tmp_path / "c.csv", Nested(runs=1))
    assert "another calibration is writing to it" in calibration.failed[0][1]


@pytest.mark.parametrize("content", [b"file,latency_ms\n", b"\xff\xfe\n", b"{}\n"])
def test_a_file_of_another_kind_stays_as_it_is(tmp_path, content):
    path = tmp_path / "c.csv"
    path.write_bytes(content)
    with pytest.raises(PredictorError, match=r"c\.csv: (not a calibration|cannot be read)"):
        calibrate(networks(1), path, QUICK)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_layers_are_networks_of_their_own_and_each_is_asked_for_once():
    asked = networks(3)
    all_networks = with_layers([*asked, *asked])
    singles = [network for network in all_networks if len(network.graph.nodes) == 1]
    assert all_networks[:3] == asked
    assert len({graph_hash(network.graph) for network in singles}) == len(singles) > 5


def test_a_corpus_holds_what_its_manifest_says(tmp_path):
    asked = networks(3)
    for row, network in zip(rows(emit(asked, tmp_path / "corpus")), asked, strict=True):
        path = tmp_path / "corpus" / row["file"]
        assert path.read_bytes() == skeleton(network.graph)
        assert [node.macs for node in load_tflite(path).graph.nodes] == [node.macs for node in network.graph.nodes]
        assert int(row["size_bytes"]) == path.stat().st_size <= 60_000
    with pytest.raises(PredictorError, match="is not empty"):
        emit(asked, tmp_path / "corpus")


def test_more_networks_begin_with_the_same_ones():
    few, many = (list(variants(count, seed=3)) for count in (len(FAMILIES), len(FAMILIES) + 2))
    assert many[: len(few)] == few
    assert [network.description.split()[0] for network in few] == list(FAMILIES)
    assert networks(2) == networks(3)[:2]


@pytest.mark.slow
def test_on_ray_there_is_one_worker_a_node_and_it_measures(tmp_path):
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        pools = []

        def start(task, splits):
            pools.append(on_ray(None)(task, splits))
            return pools[0]

        calibration = calibrate(networks(4), tmp_path / "c.csv", QUICK, evaluator=start)
        assert isinstance(pools[0], RayPool) and pools[0].workers == 1
        assert calibration.measured == 4 and all(row["node"] for row in rows(tmp_path / "c.csv"))
    finally:
        ray.shutdown()


def test_killed_at_any_moment_the_same_command_measures_the_rest(tmp_path):
    path = tmp_path / "c.csv"
    script = (
        "import sys; from pathlib import Path\n"
        "from edgevolve.engine import Measure, calibrate; from edgevolve.engine.corpus import small\n"
        "calibrate(list(small(60, 0, 60_000)), Path(sys.argv[1]), Measure(runs=1))\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    for kill_after in (3, 12):
        running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until and not (path.exists() and path.read_bytes().count(b"\n") > kill_after):
            time.sleep(0.002)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    kept = path.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert path.read_bytes().startswith(kept)
    assert [row["hash"] for row in rows(path)] == [graph_hash(network.graph) for network in networks(60)]
