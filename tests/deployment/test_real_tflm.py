"""Bundles beside the real TensorFlow Lite Micro: where TFLM_DIR names a clone of pico-tflmicro, or a built tree."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("tflite_micro")

from tests.deployment.test_c_host import run, write_wav

TREE = os.environ.get("TFLM_DIR")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TREE, reason="TFLM_DIR names no tree of TensorFlow Lite Micro; building one takes minutes"),
    pytest.mark.skipif(not shutil.which("cmake"), reason="needs CMake"),
]


@pytest.fixture(scope="module")
def programs(firmware_bundles, tmp_path_factory):
    """The host programs of all bundles, from one build."""
    folder = tmp_path_factory.mktemp("real")
    lines = ["cmake_minimum_required(VERSION 3.16)", "project(bundles C CXX)"]
    lines += [f'add_subdirectory("{bundle.folder}" "{name}")' for name, bundle in firmware_bundles.items()]
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    for command in (["-S", folder, "-B", folder / "made", f"-DTFLM_DIR={TREE}"], ["--build", folder / "made", "-j2"]):
        done = subprocess.run(["cmake", *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {name: next((folder / "made" / name).glob("*_host")) for name in firmware_bundles}


def test_golden_examples_agree_in_the_arena_that_was_written(programs):
    for program in programs.values():
        done = run(program)
        assert done.returncode == 0 and done.stdout.startswith("8 of 8 golden examples agree"), done
        used, given = map(int, re.search(r"(\d+) of (\d+) bytes", done.stdout).groups())
        assert 0 < used <= given


def test_raw_recordings_are_answered_as_in_python(programs, firmware_bundles, tmp_path):
    bundle = firmware_bundles["birds 7"]
    files = [write_wav(tmp_path / f"{i}.wav", row) for i, row in enumerate(bundle.raw)]
    lines = run(programs["birds 7"], *files).stdout.splitlines()
    for line, (found, *scores) in zip(lines, bundle.answers, strict=True):
        assert line.split(": ")[1].rsplit(" ", 1)[0] == bundle.target.names[int(found)]
        assert float(line.rsplit(" ", 1)[1]) == pytest.approx(scores[int(found)], abs=0.02)
    for name, places in (("pump", (2, 5)), ("answer", (1,))):
        bundle = firmware_bundles[name]
        (tmp_path / "all.raw").write_bytes(bundle.raw.tobytes())
        said = run(programs[name], tmp_path / "all.raw").stdout.replace(", part", "").splitlines()
        found = np.array([[float(line.split(": ")[1].split()[place - 1]) for place in places] for line in said])
        np.testing.assert_allclose(found, bundle.answers, rtol=0.02, atol=0.02)
