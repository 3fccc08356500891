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

With `--cortex-m4` the same program is built for a Cortex-M4 too, whose CMSIS-NN kernels use DSP instructions and whose
arena is the one that `--target cortex-m-dsp` predicted, and runs in QEMU, which gives it the files of this computer.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator, Mapping
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
from edgevolve.data import Classes
from edgevolve.deployment import c_answer
from edgevolve.deployment.export import export
from edgevolve.engine import Inline
from edgevolve.quantisation.litert import open_model
from edgevolve.runs.provenance import facts, load_data
from edgevolve.tflite import TARGETS
from edgevolve.training.session import configure_tensorflow

DEVICE = "cortex-m-dsp"
TRAINED, TESTED = 600, 200
"""Examples of each task: enough to learn the classes, few enough for minutes."""
AT_ONCE = 20
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Task:
    """Files of a data set, how they are read, and how a file is copied for the program, to a path without suffix."""

    name: str
    write: Callable[[Path, Path], None]
    data: Callable[[str], Any]
    copied: Callable[[Path, Path], Path]


def spoken(source: Path, folder: Path) -> None:
    """Clips of one second at 8 kHz, by the official split."""
    data = dict(np.load(source / "fsdd_8k.npz"))
    for i, path in _some(data, folder, ".wav"):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, int(data["sample_rate"]), 0, "NONE", ""))
            file.writeframes(data["x"][i].astype("<i2").tobytes())


def phone(source: Path, folder: Path) -> None:
    """Windows of 64 steps of six axes, a file each; the subjects of the test are others."""
    data = dict(np.load(source / "har_phone.npz"))
    for i, path in _some(data, folder, ".csv"):
        lines = [",".join(map(str, data["channels"]))]
        lines += [",".join(f"{value:.7g}" for value in row) for row in data["x"][i].astype(np.float32).T]
        path.write_text("\n".join(lines) + "\n")


def digits(source: Path, folder: Path) -> None:
    """Handwritten digits as grey PNG files of 28 × 28 pixels."""
    data = dict(np.load(source / "mnist_12k2k.npz"))
    for part, number in (("train", TRAINED), ("test", TESTED)):
        for i in range(number):
            path = folder / part / str(data["class_names"][data[f"y_{part}"][i]]) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data[f"x_{part}"][i]).save(path)


def _some(data: Mapping[str, Any], folder: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    """Rows of the training and the test examples, evenly spread, and a path in the folder of each one's class."""
    is_test = data["is_test"]
    for part, wanted, rows in (
        ("train", TRAINED, np.flatnonzero(~is_test)),
        ("test", TESTED, np.flatnonzero(is_test)),
    ):
        for i in rows[np.linspace(0, len(rows) - 1, min(wanted, len(rows))).round().astype(int)].tolist():
            path = folder / part / str(data["class_names"][data["y"][i]]) / f"{i}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            yield i, path


def as_it_is(path: Path, copy: Path) -> Path:
    """The file itself."""
    return Path(shutil.copy(path, copy.with_suffix(path.suffix)))


def as_pgm(path: Path, copy: Path) -> Path:
    """The same pixels where the program can read them."""
    Image.open(path).save(copy.with_suffix(".pgm"))
    return copy.with_suffix(".pgm")


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
                [at_most("arena_bytes", "48k"), at_most("flash_bytes", "96k"), at_most("macs", 1_000_000)],
            ),
            algorithm=RandomSearch(),
            training=TrainingSettings(epochs=6, batch_size=32, learning_rate=0.05),
            evaluations=2,
            minutes=minutes,
        )
        search(config, task.name, out=work / "runs", evaluator=Inline)
    if not (out / "manifest.json").exists():
        opened = Run.open(run)
        number = opened.best.number
        graph, weights, splits = opened.graph(number), opened.weights(number), load_data(opened)
        name = f"{task.name}_{number}"
        export(out, graph, weights, splits, facts(opened, number), ("c",), name, TARGETS[DEVICE])
    return out


def built(exports: dict[str, Path], tree: Path, folder: Path, *options: str) -> dict[str, Path]:
    """The program of each bundle, beside one build of TensorFlow Lite Micro."""
    folder.mkdir(exist_ok=True)
    host = folder / "host"
    shutil.copytree(next(iter(exports.values())) / "c" / "host", host, dirs_exist_ok=True)
    lines = ["cmake_minimum_required(VERSION 3.16)", "project(bundles C CXX)", f'include("{host}/tflm.cmake")']
    lines += [f'add_subdirectory("{export / "c"}" {name})' for name, export in exports.items()]
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    configure = ["-S", folder, "-B", folder / "made", f"-DTFLM_DIR={tree}", "-DCMAKE_BUILD_TYPE=Release", *options]
    for command in (["cmake", *configure], ["cmake", "--build", folder / "made", f"-j{CORES}"]):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout)[-2000:]}")
    return {name: next((folder / "made" / name).glob("*_host")) for name in exports}


def for_a_cortex_m4(folder: Path) -> list[str]:
    """Options of CMake; the start of the program, which `cortex_m4` links, is compiled."""
    sections = Path(__file__).parent / "cortex_m4"
    (folder / "made").mkdir(parents=True, exist_ok=True)
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-Os", "-c"]
    subprocess.run([*command, sections / "start.c", "-o", folder / "made" / "start.o"], check=True)
    return [f"-DCMAKE_TOOLCHAIN_FILE={sections / 'toolchain.cmake'}", "-DCMAKE_BUILD_TYPE=MinSizeRel"]


def on_this_computer(program: Path, files: list[str], folder: Path) -> str:
    """What the program prints of files in `folder`."""
    return subprocess.run([program, *files], capture_output=True, text=True, cwd=folder, check=False).stdout


def on_a_cortex_m4(program: Path, files: list[str], folder: Path) -> str:
    """The same on QEMU's Cortex-M4; newlib takes command lines of up to 256 bytes."""
    said = ""
    for first in range(0, max(len(files), 1), AT_ONCE):
        given = ",".join(f"arg={name}" for name in ("m4", *files[first : first + AT_ONCE]))
        command = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]
        command += ["-semihosting-config", f"enable=on,target=native,{given}", "-kernel", str(program)]
        said += subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False).stdout
    return said


Running = Callable[[Path, list[str], Path], str]


def compared(task: Task, work: Path, program: Path, running: Running, recordings: int) -> dict[str, Any]:
    """Run the program on golden examples and test recordings, and Python on the same recordings."""
    out, splits = work / "exports" / task.name, load_data(Run.open(work / "runs" / task.name))
    target = splits.target
    names = splits.test.groups if splits.test.names is None else splits.test.names  # a recording's group is its file
    assert isinstance(target, Classes) and names is not None
    rows = np.unique(np.linspace(0, len(splits.test) - 1, recordings).round().astype(int))
    model = open_model((out / "model.tflite").read_bytes())
    x, y = splits.test.x[rows], splits.test.y[:][rows]
    python = c_answer.answers(target, model, model.quantised(x), model.outputs(x))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        golden = re.match(r"(\d+) of \d+ .*; (\d+) of (\d+) bytes", running(program, [], folder))
        assert golden, "the program did not run"
        files = [
            task.copied(work / "data" / task.name / str(names[row]), folder / str(i)).name for i, row in enumerate(rows)
        ]
        said = [line.split(": ")[1].rsplit(" ", 1) for line in running(program, files, folder).splitlines()]
    labels = np.array([target.labels.index(name) for name, _ in said])
    scores = np.array([float(score) for _, score in said])
    return {
        "recordings": len(rows),
        "same_class": int(np.sum(labels == python[:, 0])),
        "right_in_c": int(np.sum(labels == y)),
        "right_in_python": int(np.sum(python[:, 0] == y)),
        "largest_score_difference": float(np.abs(scores - python[np.arange(len(rows)), 1 + labels]).max()),
        "golden_agreeing": int(golden[1]),
        "arena_used": int(golden[2]),
        "arena_given": int(golden[3]),
    }


def main() -> None:
    """Make, build and run the bundles; print a table and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, metavar="TFLM_DIR")
    parser.add_argument("--data", type=Path, required=True, help="folder of the three .npz files")
    parser.add_argument("--work", type=Path, help="folder that keeps data, runs, exports and programs")
    parser.add_argument("--minutes", type=float, default=2.0, help="of each search")
    parser.add_argument("--recordings", type=int, default=100, help="of each task")
    parser.add_argument("--cortex-m4", action="store_true", help="also on QEMU's Cortex-M4 (arm-none-eabi-g++, QEMU)")
    given = parser.parse_args()
    configure_tensorflow(1)
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        exports = {task.name: exported(task, given.data, work, given.minutes) for task in TASKS}
        machines = {"computer": (on_this_computer, list[str]())}
        if given.cortex_m4:
            machines["cortex_m4"] = (on_a_cortex_m4, for_a_cortex_m4(work / "cortex_m4"))
        figures = {}
        for machine, (running, options) in machines.items():
            programs = built(exports, given.tree.resolve(), work / machine, *options)
            for task in TASKS:
                row = compared(task, work, programs[task.name], running, given.recordings)
                figures[f"{task.name}_{machine}"] = row
    heads = ("task", "same class", "right in C", "in Python", "score off by", "golden", "arena used", "given")
    print("".join(f"{head:>18}" for head in heads))
    for name, row in figures.items():
        of = row["recordings"]
        cells = (name, f"{row['same_class']} of {of}", row["right_in_c"], row["right_in_python"])
        cells += (f"{row['largest_score_difference']:.4f}", f"{row['golden_agreeing']} of 8")
        print("".join(f"{cell:>18}" for cell in (*cells, row["arena_used"], row["arena_given"])))
    print(json.dumps({f"{name}_{figure}": value for name, row in figures.items() for figure, value in row.items()}))


if __name__ == "__main__":
    main()
