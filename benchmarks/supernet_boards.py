"""One training of shared weights, then five boards; and three networks of one set, switched at run time.

    python benchmarks/supernet_boards.py [--data FOLDER] [--minutes M] [--each M] [--epochs E] [--tflm TREE] [--work F]

FOLDER holds `mnist_12k2k.npz`; without it the data are scikit-learn's 8×8 digits. `--minutes` is for the shared
weights, `--each` for each board. Of each board the best candidate is exported: the size of its file, its arena as
predicted for the board, and what TensorFlow Lite Micro's wheel says of the same file on this computer, whose pointers
have 64 bits, are held against every hard bound. It is then trained from scratch for E epochs: the gap is inherited less
trained error, in points of the validation split. `predictor_tau_*`: as in `supernet_ranking.py`.

The set is of at most three networks; each answers out of the common array as its own file does, on the wheel and on
LiteRT, or the export is refused. With `--tflm`, a clone of pico-tflmicro or a built tree of TensorFlow Lite Micro, the
bundle is built for this computer and its program runs the golden examples of each network in turn, in one arena. The
last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from supernet_ranking import predicted, scratch

from edgevolve import (
    NSGA3,
    ConfigError,
    Digits,
    Inherited,
    Inline,
    MobileSpace,
    NpzImages,
    Problem,
    SearchConfig,
    Supernet,
    TrainingSettings,
    at_most,
    minimise,
    search,
)
from edgevolve.data import load_splits
from edgevolve.deployment.export import export
from edgevolve.deployment.export_set import Member, export_set
from edgevolve.deployment.micro import arena_needed
from edgevolve.engine import family, specialised
from edgevolve.runs.provenance import facts
from edgevolve.training.session import configure_tensorflow

BOARDS = ("rp2040", "nano33ble", "esp32s3", "stm32f746", "alif_e7")
ARENA, FLASH, MACS = "24k", "64k", 1_000_000
"""Bounds of the run itself, so that bounds bind: a small network fits all these boards."""
SET = 3


def main() -> None:
    """Prepare, specialise, compare; a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--each", type=float, default=1.5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tflm", type=Path)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    configure_tensorflow(threads=1)
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.work or Path(temporary)).resolve()
        data = NpzImages(str(given.data / "mnist_12k2k.npz")) if given.data else Digits()
        run, splits = prepared(data, given.minutes, work), load_splits(data)
        rows = {name: on_board(run, name, splits, given, work) for name in BOARDS}
        figures = summary(rows) | ranked(run, splits) | as_a_set(run, splits, work, given.tflm)
    heads = ("board", "seconds", "candidates", "inherited", "from scratch", "file", "arena", "wheel's arena", "bounds")
    print("".join(f"{head:>15}" for head in heads))
    for name, row in rows.items():
        errors = f"{row['inherited']:.2%}", f"{row['trained']:.2%}"
        cells = (name, f"{row['seconds']:.0f}", row["candidates"], *errors)
        cells += (row["file_bytes"], row["arena_bytes"], row["wheel_arena_bytes"], "kept" if row["kept"] else "BROKEN")
        print("".join(f"{cell:>15}" for cell in cells))
    print(json.dumps(figures))


def space_of(data):
    """Inverted residuals; also on half the pixels where the input has 28."""
    side = data.input_shape[0]
    return MobileSpace(
        tuple(data.input_shape),
        data.classes,
        max_stages=2,
        depths=(1, 2),
        max_filters=24,
        resolutions=(14, 28) if side == 28 else (side,),
        blocks=("mbconv",),
        activations=("relu6",),
        max_head=160,
    )


def prepared(data, minutes, work):
    """The run whose shared weights the boards use."""
    space = space_of(data)
    bounds = [at_most("arena_bytes", ARENA), at_most("flash_bytes", FLASH), at_most("macs", MACS)]
    config = SearchConfig(
        data=data,
        space=space,
        problem=Problem([minimise("error"), minimise("macs")], bounds),
        algorithm=NSGA3(population=20),
        prepare=Supernet(space, TrainingSettings(batch_size=64, learning_rate=0.1), minutes=minutes),
        task=Inherited(1000),
        evaluations=40,
    )
    run = search(config, "shared", out=work, evaluator=Inline)
    seconds, metrics = run.prepared.ended - run.prepared.started, run.prepared.metrics
    print(
        f"shared weights in {seconds:.0f} s: {metrics['networks']:.0f} networks learnt in {metrics['steps']:.0f} steps"
    )
    return run


def on_board(run, name, splits, given, work):
    """Specialise, export the best, train it from scratch."""
    begun = time.monotonic()
    searched = specialised(run, name, minutes=given.each, evaluations=150)
    seconds = time.monotonic() - begun
    best = searched.best
    graph, folder = searched.graph(best.number), work / f"file_{name}"
    made = export(
        folder, graph, searched.weights(best.number), splits, facts(searched, best.number), device=searched.target
    )
    content = (folder / "model.tflite").read_bytes()
    least = arena_needed(content)
    room = min(bound.bound for bound in searched.problem.constraints if "arena" in bound.metric)
    measured = {"flash_bytes": len(content), f"arena_bytes@{searched.target.name}": made.arena.arena_bytes}
    kept = not searched.problem.broken({**best.metrics, **measured})
    host = made.arena.host
    return {
        "seconds": seconds,
        "candidates": searched.evaluations,
        "inherited": best.metrics["error"],
        "trained": scratch(graph, splits, given.epochs, 0),
        "file_bytes": len(content),
        "arena_bytes": made.arena.arena_bytes,
        "wheel_arena_bytes": least[2] if least else -1,
        "within_on_wheel": least is not None and least[0] <= room,
        "head_as_predicted": host is not None and host.head_bytes == host.predicted_head_bytes,
        "kept": kept,
    }


def summary(rows):
    """Over the boards."""
    gaps = [100 * (row["inherited"] - row["trained"]) for row in rows.values()]
    return {
        "boards": len(rows),
        "slowest_board_s": round(max(row["seconds"] for row in rows.values()), 1),
        "bounds_kept": sum(row["kept"] and row["within_on_wheel"] for row in rows.values()),
        "heads_as_predicted": sum(row["head_as_predicted"] for row in rows.values()),
        "largest_gap_points": round(max(gaps), 2),
        "mean_gap_points": round(sum(gaps) / len(gaps), 2),
    }


def ranked(run, splits):
    """Kendall's τ of the surrogate on inherited errors that it has not seen."""
    arrays = run.artefacts.arrays(run.prepared.artefact)
    return predicted(space_of(splits_shape(splits)), SimpleNamespace(arrays=arrays), splits)


def splits_shape(splits):
    """What `space_of` asks of a data set."""
    return SimpleNamespace(input_shape=splits.train.x.shape[1:], classes=splits.target.number)


def as_a_set(run, splits, work, tflm):
    """The candidate with the largest family, exported as a set; built and run where there is a tree."""
    members = []
    for record in run.front:
        try:
            members = max(members, family(run, record.number, SET, splits), key=len)
        except ConfigError:  # one network is the best by all criteria
            continue
    if not members:
        return {"set_networks": 0}
    named = [Member(one.graph, one.weights, {"network": one.description}) for one in members]
    exported = export_set(work / "set", named, splits, "shared_set", run.target)
    result = {
        "set_networks": len(members),
        "set_flash_bytes": exported.flash_bytes,
        "set_single_bytes": sum(exported.single_bytes),
        "set_arena_bytes": exported.arena_bytes,
        "set_errors_int8": [round(cost.error, 4) for cost in exported.networks],
    }
    return result if tflm is None else result | built_and_run(work, tflm)


def built_and_run(work, tflm):
    """Whether the program switches between all networks and answers their golden examples."""
    from bundles_on_tflm import built

    program = built({"set": work / "set"}, tflm.resolve(), work / "built")["set"]
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    print(done.stdout.strip())
    return {"set_program_agrees": done.returncode == 0}


if __name__ == "__main__":
    main()
