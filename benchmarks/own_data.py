"""From a folder of data to a model for a board, unedited: `init`, search, `train`, `export`, beside two baselines.

    python benchmarks/own_data.py --data FOLDER [--minutes 8] [--only TASK ...] [--out FOLDER] [--json FILE]

FOLDER holds fsdd_8k.npz, har_phone.npz, mnist_12k2k.npz and ts_BasicMotions.npz; they are written out as WAV, CSV,
PNG and .ts files below --out, scikit-learn's breast cancer as a CSV. Every step is the command line's; nothing is
edited between them. `edgevolve init` sees those files and the name of a board. A first call of it gives the splits, on
which the baselines are trained: DS-CNN S of MLPerf Tiny (of the table two dense layers of 64), int8, and boosted trees
on summaries. A second call has `--flash` with a tenth of that DS-CNN's flash, and the bytes of the front end. `train`
and `export` are those that it prints, with two seeds.

Every model meets the test split once, at its end. Arena and flash are those of the export for the board's kernels,
flash without the front end; `proven` says whether TensorFlow Lite Micro of the wheel ran the file in the arena that was
predicted for this machine. Prints a table, then one line of JSON, also of tasks of earlier calls that are in --json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from own_data_sections import written
from rich.console import Console
from rich.table import Table

from edgevolve.configuration import load_configuration
from edgevolve.data import Splits, load_splits
from edgevolve.data.cost import cost_of

LAST = ("train", "export")
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Task:
    """What is written out, and for which board."""

    write: Callable[[Path, Path], str]
    board: str


TASKS = {
    "spoken": Task(written.spoken_digits, "nano33ble"),
    "phone": Task(written.phone_sensors, "esp32s3"),
    "mnist": Task(written.handwritten_digits, "rp2040"),
    "motions": Task(written.basic_motions, "nano33ble"),
    "cancer": Task(written.breast_cancer, "rp2040"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """Of one task; times in seconds, sizes in bytes, accuracies on the test split."""

    board: str
    accuracy_int8: float
    baseline: float
    reference: str
    reference_accuracy: float
    reference_flash_bytes: int
    trees_accuracy: float
    arena_bytes: int
    arena_room_bytes: int
    flash_bytes: int
    flash_room_bytes: int
    proven: bool
    candidates: int
    minutes: float
    init_s: float
    search_s: float
    train_s: float
    export_s: float


def main() -> None:
    """Run the tasks and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--only", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp(prefix="own-data-"))
    known = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    for name in options.only:
        known[name] = asdict(run(name, options.data, out / name, options.minutes))
        if options.json:
            options.json.write_text(json.dumps(known, indent=1))
        print(name, known[name], file=sys.stderr, flush=True)
    Console(width=150).print(table(known))
    print(json.dumps(figures(known)))


def run(name: str, source: Path, folder: Path, minutes: float) -> Result:
    """One task, from files to an export and its baselines. Raises `CalledProcessError` where a command fails."""
    task = TASKS[name]
    folder.mkdir(parents=True, exist_ok=True)
    data = task.write(source, folder)
    begin = ["init", "--data", data, "--board", task.board, "--minutes", str(minutes), "-o"]
    command(folder, *begin, "seen.py")
    seen = load_configuration(str(folder / "seen.py"), ROOT / "configs")
    with within(folder):
        splits = load_splits(seen.data)
    known = baselines(folder, splits, seen.training.augment)
    of_front_end = cost_of(splits.front_end).flash_bytes if splits.front_end else 0
    flash = known["reference_flash_bytes"] // 10 + of_front_end
    said, init_s = command(folder, *begin, "mine.py", "--flash", str(flash))
    lines = said.splitlines()
    train, export = (next(line.split()[1:] for line in lines if f"edgevolve {verb}" in line) for verb in LAST)
    _, search_s = command(folder, "mine.py")
    _, train_s = command(folder, *train, "--seeds", "2")
    _, export_s = command(folder, *export)
    (manifest,) = folder.glob("artifacts/mine/export/*/manifest.json")
    exported = json.loads(manifest.read_text())
    arena, host, board = exported["arena"], exported["arena"]["host"], seen.board
    assert board
    return Result(
        board=board.name,
        accuracy_int8=exported["int8_test_accuracy"],
        baseline=max(known["reference_accuracy"], known["trees_accuracy"]),
        **known,
        arena_bytes=arena["arena_bytes"],
        arena_room_bytes=board.arena.free_bytes,
        flash_bytes=exported["tflite_bytes"],
        flash_room_bytes=board.flash.free_bytes,
        proven=host is not None and host["least_arena_bytes"] <= host["predicted_arena_bytes"],
        candidates=len(finished(folder)),
        minutes=minutes,
        init_s=init_s,
        search_s=search_s,
        train_s=train_s,
        export_s=export_s,
    )


def finished(folder: Path) -> list[dict[str, Any]]:
    """The journal's events of candidates that were trained."""
    events = map(json.loads, (folder / "artifacts/mine/journal.jsonl").read_text().splitlines())
    return [event for event in events if event["event"] == "finished"]


def baselines(folder: Path, splits: Splits, augment: tuple[str, ...]) -> dict[str, Any]:
    """Both baselines; those that an earlier call left in the folder are kept, as they take long."""
    from own_data_sections.baselines import reference, trees

    kept = folder / "baselines.json"
    if not kept.exists():
        known = reference(splits, augment)
        scores = {"reference": known.name, "reference_accuracy": known.accuracy_int8}
        scores |= {"reference_flash_bytes": known.flash_bytes, "trees_accuracy": trees(splits)}
        kept.write_text(json.dumps(scores))
    loaded: dict[str, Any] = json.loads(kept.read_text())
    return loaded


def command(folder: Path, *arguments: str) -> tuple[str, float]:
    """What a command printed, and how long it took."""
    started = time.monotonic()
    line = [sys.executable, str(ROOT / "driver.py"), *arguments]
    done = subprocess.run(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    (folder / "commands.log").open("a").write(f"$ edgevolve {' '.join(arguments)}\n{done.stdout}\n")
    if done.returncode:
        raise SystemExit(f"{folder.name}: edgevolve {' '.join(arguments)} ended with {done.returncode}: {done.stdout}")
    return done.stdout, time.monotonic() - started


@contextmanager
def within(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def table(known: dict[str, dict[str, object]]) -> Table:
    """A row a task."""
    shown = Table(title="test accuracy of int8 models; flash in bytes")
    columns = "task, board, accuracy, flash, arena, proven, reference, flash, trees, networks"
    for name in columns.split(", "):
        shown.add_column(name)
    for name, one in known.items():
        shown.add_row(
            name,
            str(one["board"]),
            f"{one['accuracy_int8']:.2%}",
            f"{one['flash_bytes']:,}",
            f"{one['arena_bytes']:,}",
            "yes" if one["proven"] else "no",
            f"{one['reference_accuracy']:.2%} ({one['reference']})",
            f"{one['reference_flash_bytes']:,}",
            f"{one['trees_accuracy']:.2%}",
            f"{one['candidates']} in {one['minutes']:g} min",
        )
    return shown


def figures(known: dict[str, dict[str, object]]) -> dict[str, object]:
    """For one line of JSON."""
    names = ("accuracy_int8", "baseline", "arena_bytes", "flash_bytes", "reference_flash_bytes", "proven")
    return {f"{task}_{name}": one.get(name) for task, one in known.items() for name in names}


if __name__ == "__main__":
    main()
