"""Whether a bundle's own program, built with TensorFlow Lite Micro's sources, answers recordings as Python does.

Spoken digits as WAV files through `Mel`, phone sensors as CSV files, MNIST as PNG files: each is written as a folder,
searched for a few minutes, exported with `--formats c --target cortex-m-dsp`, and built by the bundle's CMake files.
With a clone of pico-tflmicro, TensorFlow Lite Micro and CMSIS-NN's kernels are compiled in plain C for this computer.
The program then reads test recordings (PNG files as PGM); Python runs the int8 file on LiteRT, with the front end in
Python.

`python benchmarks/bundles_on_tflm.py TFLM_DIR --data FOLDER` from the repository root. TFLM_DIR is a clone of
pico-tflmicro, or a tree of TensorFlow Lite Micro that its Makefile has built; FOLDER holds `fsdd_8k.npz`,
`har_phone.npz` and `mnist_12k2k.npz`. With `--work` everything is kept in a folder, and what is there is used again.
The last line is one JSON object.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgevolve import (
    AudioFolder,
    CnnSpace,
    Features,
    ImageFolder,
    Mel,
    Problem,
    RandomSearch,
    Run,
    SearchConfig,
    SensorFolder,
    TrainingSettings,
    at_most,
    minimise,
    search,
)
from edgevolve.deployment import c_answer
from edgevolve.engine import Inline
from edgevolve.quantisation.litert import open_model
from edgevolve.runs.provenance import load_data
from edgevolve.training.session import configure_tensorflow

ROOT = Path(__file__).resolve().parent.parent
DEVICE = "cortex-m-dsp"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Task:
    """Files of a data set, how they are read, and how the program on a computer gets one of them."""

    name: str
    write: Callable[[Path, Path], None]
    data: Callable[[str], Any]
    for_program: Callable[[Path, Path], Path]


def spoken(source: Path, folder: Path) -> None:
    """Two thousand clips of one second at 8 kHz, by the official split."""
    data = np.load(source / "fsdd_8k.npz")
    for i in _some(data["is_test"], 1_700):
        part = "test" if data["is_test"][i] else "train"
        path = folder / part / str(data["class_names"][data["y"][i]]) / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, int(data["sample_rate"]), 0, "NONE", ""))
            file.writeframes(data["x"][i].astype("<i2").tobytes())


def phone(source: Path, folder: Path) -> None:
    """Windows of 64 steps of six axes, a file each; the subjects of the test are others."""
    data = np.load(source / "har_phone.npz")
    for i in _some(data["is_test"], 1_700):
        part = "test" if data["is_test"][i] else "train"
        path = folder / part / str(data["class_names"][data["y"][i]]) / f"{i}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [",".join(map(str, data["channels"]))]
        lines += [",".join(f"{value:.7g}" for value in row) for row in data["x"][i].astype(np.float32).T]
        path.write_text("\n".join(lines) + "\n")


def digits(source: Path, folder: Path) -> None:
    """Handwritten digits as grey PNG files of 28 × 28 pixels."""
    data = np.load(source / "mnist_12k2k.npz")
    for part, number in (("train", 1_700), ("test", 300)):
        for i in range(number):
            path = folder / part / str(data["class_names"][data[f"y_{part}"][i]]) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data[f"x_{part}"][i]).save(path)


def _some(is_test: Any, number: int) -> list[int]:
    """Rows of the training examples, evenly spread, and at most 300 of the test."""
    found: list[int] = []
    for wanted, rows in ((number, np.flatnonzero(~is_test)), (300, np.flatnonzero(is_test))):
        found += rows[np.linspace(0, len(rows) - 1, min(wanted, len(rows))).round().astype(int)].tolist()
    return found


def as_it_is(path: Path, scratch: Path) -> Path:
    """The file itself."""
    return path


def as_pgm(path: Path, scratch: Path) -> Path:
    """The same pixels where the program can read them."""
    copy = scratch / f"{path.parent.name}_{path.stem}.pgm"
    Image.open(path).save(copy)
    return copy


TASKS = (
    Task(
        "spoken",
        spoken,
        lambda folder: Features(AudioFolder(folder, seconds=1), Mel(8_000, 8_000, bands=20, stride_ms=30)),
        as_it_is,
    ),
    Task("phone", phone, lambda folder: SensorFolder(folder, normalise=True), as_it_is),
    Task("digits", digits, lambda folder: ImageFolder(folder), as_pgm),
)


def exported(task: Task, source: Path, work: Path, minutes: float) -> Path:
    """Write the files, search, export: the folder of the export. What is there already stays."""
    folder, out = work / "data" / task.name, work / "exports" / task.name
    if not folder.exists():
        task.write(source, folder)
    run = work / "runs" / task.name
    if not (run / "journal.jsonl").exists():
        data = task.data(str(folder))
        config = SearchConfig(
            data=data,
            space=CnnSpace(data.input_shape, data.target.outputs, max_blocks=4, max_filters=32),
            problem=Problem(
                [minimise("error", scale=0.3), minimise("arena_bytes")],
                [at_most("arena_bytes", "48k"), at_most("flash_bytes", "96k"), at_most("macs", 3_000_000)],
            ),
            algorithm=RandomSearch(),
            training=TrainingSettings(epochs=5, batch_size=32, learning_rate=0.05),
            evaluations=6,
            minutes=minutes,
        )
        search(config, task.name, out=work / "runs", evaluator=Inline)
    if not (out / "manifest.json").exists():
        command = [
            sys.executable,
            ROOT / "driver.py",
            "export",
            run,
            "--formats",
            "c",
            "--target",
            DEVICE,
            "--out",
            out,
        ]
        subprocess.run(list(map(str, command)), check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return out


def built(exports: dict[str, Path], tree: Path, work: Path) -> dict[str, Path]:
    """The program of each bundle, beside one build of TensorFlow Lite Micro."""
    project = work / "build"
    project.mkdir(exist_ok=True)
    lines = ["cmake_minimum_required(VERSION 3.16)", "project(bundles C CXX)", 'set(CMAKE_BUILD_TYPE "Release")']
    lines += [f'add_subdirectory("{folder / "c"}" {name})' for name, folder in exports.items()]
    (project / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    options = ["-S", project, "-B", project / "made", f"-DTFLM_DIR={tree}"]
    for command in (["cmake", *options], ["cmake", "--build", project / "made", f"-j{CORES}"]):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout)[-2000:]}")
    return {name: next((project / "made" / name).glob("*_host")) for name in exports}


def compared(task: Task, work: Path, out: Path, program: Path, recordings: int) -> dict[str, Any]:
    """Run the program on golden examples and test recordings, and Python on the same recordings."""
    golden = subprocess.run([program], capture_output=True, text=True, check=False).stdout
    agreeing, used, given = map(int, re.match(r"(\d+) of \d+ .*; (\d+) of (\d+) bytes", golden).groups())  # type: ignore[union-attr]
    splits = load_data(Run.open(work / "runs" / task.name))
    target, names = splits.target, splits.test.names
    assert target is not None and names is not None
    rows = np.unique(np.linspace(0, len(splits.test) - 1, recordings).round().astype(int))
    model = open_model((out / "model.tflite").read_bytes())
    inputs = model.quantised(splits.test.x[rows])
    outputs = model.outputs(splits.test.x[rows])
    python = c_answer.answers(target, model, inputs, outputs)
    with tempfile.TemporaryDirectory() as scratch:
        files = [task.for_program(work / "data" / task.name / str(names[row]), Path(scratch)) for row in rows]
        done = subprocess.run([program, *files], capture_output=True, text=True, check=True)
    said = [line.rsplit(": ", 1)[1].rsplit(" ", 1) for line in done.stdout.splitlines()]
    labels = [target.labels.index(name) for name, _ in said]  # type: ignore[attr-defined]
    off = [abs(float(score) - row[1 + label]) for (_, score), label, row in zip(said, labels, python, strict=True)]
    manifest = json.loads((out / "manifest.json").read_text())
    constants = re.findall(r"kArenaMinimumBytes = (\d+)", next((out / "c" / "src").glob("arena_size.h")).read_text())
    return {
        "recordings": len(rows),
        "same_class": int(np.sum(np.array(labels) == python[:, 0])),
        "right_in_c": int(np.sum(np.array(labels) == splits.test.y[:][rows])),
        "right_in_python": int(np.sum(python[:, 0] == splits.test.y[:][rows])),
        "largest_score_difference": max(off),
        "golden_agreeing": agreeing,
        "arena_used": used,
        "arena_given": given,
        "arena_reference": manifest["formats"]["c"]["host_arena_minimum_bytes"],
        "arena_device": int(constants[-1]),
    }


def main() -> None:
    """Make, build and run the bundles; print a table and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, metavar="TFLM_DIR")
    parser.add_argument("--data", type=Path, required=True, help="folder of the three .npz files")
    parser.add_argument("--work", type=Path, help="folder that keeps data, runs, exports and programs")
    parser.add_argument("--minutes", type=float, default=2.0, help="of each search")
    parser.add_argument("--recordings", type=int, default=100, help="of each task")
    given = parser.parse_args()
    configure_tensorflow(1)
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        exports = {task.name: exported(task, given.data, work, given.minutes) for task in TASKS}
        programs = built(exports, given.tree.resolve(), work)
        found = {
            task.name: compared(task, work, exports[task.name], programs[task.name], given.recordings) for task in TASKS
        }
    heads = ("task", "same class", "right in C", "in Python", "score off by", "golden", "arena used", "given")
    print("".join(f"{head:>14}" for head in heads))
    for name, row in found.items():
        of = row["recordings"]
        cells = (name, f"{row['same_class']} of {of}", row["right_in_c"], row["right_in_python"])
        cells += (f"{row['largest_score_difference']:.4f}", f"{row['golden_agreeing']} of 8")
        print("".join(f"{cell:>14}" for cell in (*cells, row["arena_used"], row["arena_given"])))
    print(json.dumps({f"{name}_{figure}": value for name, row in found.items() for figure, value in row.items()}))


if __name__ == "__main__":
    main()
