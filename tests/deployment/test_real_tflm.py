"""Bundles beside the real TensorFlow Lite Micro: where TFLM_DIR names a clone of pico-tflmicro, or a built tree."""

import os
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tflite_micro")

from edgevolve.deployment import c_bundle
from edgevolve.deployment.c_networks import Cost, networks_header
from edgevolve.deployment.together import together
from tests.deployment.test_c_host import run, write_wav
from tests.deployment.test_together import sources

TREE = os.environ.get("TFLM_DIR")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TREE, reason="TFLM_DIR names no tree of TensorFlow Lite Micro; building one takes minutes"),
    pytest.mark.skipif(not shutil.which("cmake"), reason="needs CMake"),
]


NETWORKS = "network 0", "network 1", "network 2"


@pytest.fixture(scope="module")
def switching(tmp_path_factory):
    """Bundles, by name: a set of three networks, and each of them alone."""
    folder, three = tmp_path_factory.mktemp("switching"), sources()
    costs = [Cost(0.1, 3000, 300), Cost(0.2, 2000, 200), Cost(0.3, 1000, 100)]
    header, named = networks_header(costs, "Figures of a test."), [replace(one, name="set of three") for one in three]
    c_bundle.write_bundle(folder / "set", named, together([one.tflite for one in three]), header)
    for name, one in zip(NETWORKS, three, strict=True):
        (folder / name).mkdir()
        c_bundle.write(folder / name, replace(one, name=name))
    return {name: folder / name / "c" for name in ("set", *NETWORKS)}


@pytest.fixture(scope="module")
def programs(firmware_bundles, switching, tmp_path_factory):
    """The host programs of all bundles, from one build."""
    folder = tmp_path_factory.mktemp("real")
    bundles = {name: bundle.folder for name, bundle in firmware_bundles.items()} | switching
    lines = ["cmake_minimum_required(VERSION 3.16)", "project(bundles C CXX)"]
    lines += [f'add_subdirectory("{bundle}" "{name}")' for name, bundle in bundles.items()]
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    for command in (["-S", folder, "-B", folder / "made", f"-DTFLM_DIR={TREE}"], ["--build", folder / "made", "-j2"]):
        done = subprocess.run(["cmake", *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {name: next((folder / "made" / name).glob("*_host")) for name in bundles}


def test_golden_examples_agree_in_the_arena_that_was_written(programs, firmware_bundles):
    for name in (*firmware_bundles, *NETWORKS):
        done = run(programs[name])
        assert done.returncode == 0 and done.stdout.startswith("8 of 8 golden examples agree"), done
        used, given = map(int, re.search(r"(\d+) of (\d+) bytes", done.stdout).groups())
        assert 0 < used <= given


def test_raw_recordings_are_answered_as_in_python(programs, firmware_bundles, tmp_path):
    bundle = firmware_bundles["birds 7"]
    files = [write_wav(tmp_path / f"{i}.wav", row) for i, row in enumerate(bundle.raw)]
    lines = run(programs["birds 7"], *files).stdout.splitlines()
    for line, (label, *scores) in zip(lines, bundle.answers, strict=True):
        assert line.split(": ")[1].rsplit(" ", 1)[0] == bundle.target.names[int(label)]
        assert float(line.rsplit(" ", 1)[1]) == pytest.approx(scores[int(label)], abs=0.02)
    for name, places in (("pump", (2, 5)), ("answer", (1,))):
        bundle = firmware_bundles[name]
        (tmp_path / "all.raw").write_bytes(bundle.raw.tobytes())
        said = run(programs[name], tmp_path / "all.raw").stdout.replace(", part", "").splitlines()
        answers = np.array([[float(line.split(": ")[1].split()[place - 1]) for place in places] for line in said])
        np.testing.assert_allclose(answers, bundle.answers, rtol=0.02, atol=0.02)


def test_three_networks_are_switched_in_one_arena_and_each_answers_as_alone(programs, tmp_path):
    images = sources()[0].images
    (tmp_path / "all.raw").write_bytes(images.tobytes())
    turns = (0, 1, 2, 0, 2, 1, 1)
    said = run(programs["set"], *(text for turn in turns for text in (f"--network={turn}", tmp_path / "all.raw")))
    alone = [run(programs[name], tmp_path / "all.raw").stdout for name in NETWORKS]
    assert len(alone[0].splitlines()) == len(images) and len(set(alone)) == 3
    assert said.returncode == 0 and said.stdout == "".join(alone[turn] for turn in turns)


def test_golden_examples_of_each_network_agree_in_the_arena_of_the_largest(programs):
    done = run(programs["set"])
    rows = re.findall(r"network (\d): 8 of 8 golden examples agree; (\d+) of (\d+) bytes of arena used", done.stdout)
    assert done.returncode == 0 and [row[0] for row in rows] == ["0", "1", "2", "0"], done
    single = [re.search(r"(\d+) of (\d+) bytes", run(programs[name]).stdout).groups() for name in NETWORKS]
    used, given = [[int(row[place]) for row in rows] for place in (1, 2)]
    assert used == [int(single[turn][0]) for turn in (0, 1, 2, 0)] and len(set(used[:3])) > 1
    assert set(given) == {max(int(one[1]) for one in single)}
