"""Whether networks in bands compute the same to the bit and need the arena that was predicted, on both runtimes.

    python benchmarks/partial_proofs.py [--networks 300] [--only NAME ...] [--known] [--minutes 25]

Random networks of every space with random weights, as a search would export them, are cut twice: as the search's own
planner cuts them for at most `--slower` more work, and at a random run of operators in random bands, up to twice; there
all maps that the part gives are outputs too, so that a difference is seen where it arises. Every file and the uncut one
are run on LiteRT and on TensorFlow Lite Micro, on random integers of the whole range; the file in bands in an arena of
the bytes predicted for this host, and not in one 16 bytes smaller. `--known` takes published networks at several
resolutions instead, as TensorFlow's converter writes them, with the thorough planner of `optimise`.

A block of networks runs in a process of its own: a crash of a runtime is a fault of that block. No block begins after
`--minutes`. Prints each fault and a table, then one line of JSON: of the files in bands the shares whose outputs are
equal, whose head, tail and total are exact, and whose outputs are more than one constant.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.arena_fidelity import some_weights
from edgevolve.deployment import litert_host, micro_host
from edgevolve.deployment.banded_file import put_in_bands
from edgevolve.deployment.file_plan import lay_out
from edgevolve.deployment.flatbuffer import packed, unpacked
from edgevolve.deployment.micro import ARENA_BYTES, allocations
from edgevolve.deployment.optimise import lean, random_inputs, replanned
from edgevolve.graph import Graph, from_json, reordered, to_json
from edgevolve.quantisation import int8_network
from edgevolve.quantity import quantity
from edgevolve.tflite import TARGETS, read_tflite
from edgevolve.training.session import configure_tensorflow
from resource_models import deployed, file_footprint, measure_in_bands, peak_memory
from resource_models.banded import banded
from resource_models.bands import Cutter, Part
from resource_models.pieces import NEVER
from search_space import CellSpace, CnnSpace, MlpSpace, MobileSpace, NasBench201Space
from search_space.cells import CELL_PRESETS
from search_space.families import family
from search_space.topologies import topology

SPACES: Mapping[str, Any] = {
    "cnn": CnnSpace((32, 32, 3), 4),
    "cnn_odd": CnnSpace((27, 22, 2), 4),
    "cnn_signal": CnnSpace((96, 1, 6), 4),
    "mobile": MobileSpace((48, 48, 3), 4, resolutions=(48, 24), max_filters=96),
    "mobile_signal": MobileSpace((96, 1, 6), 4, max_filters=96),
    "cells": CellSpace((24, 24, 3), 4, **CELL_PRESETS["s"]),
    "cells_signal": CellSpace((128, 1, 3), 4, **CELL_PRESETS["m"]),
    "nasbench201": NasBench201Space((16, 16, 3), 4, cells=2),
    "mlp": MlpSpace((16, 16, 1), 4),
}

KNOWN: Mapping[str, Callable[[], Graph]] = {
    f"{name}_{side}": partial(family, name, width=width, resolution=side, classes=10)
    for name, width in (("mobilenet_v1", 0.5), ("mobilenet_v2", 0.5), ("mnasnet_a1", 0.5), ("efficientnet_lite0", 1.0))
    for side in (96, 112, 128)
} | {f"resnet_8_{side}": partial(topology, "resnet_8", (side, side, 3), 10) for side in (32, 48, 64)}

FIGURES = ("files", "in_bands", "equal", "exact", "as_measured", "alive", "errors", "uncut_refused")
_BLOCK = 25
_MOST_PIXELS = 60_000
"""Bytes of the largest map of a random network, for the sake of time."""
_SMALLEST_STEP = 16


class Answer(NamedTuple):
    """Outputs of a runtime, and the bytes of head and tail that it says it took."""

    outputs: list[NDArray[Any]]
    head_bytes: int = 0
    tail_bytes: int = 0


def on_litert(model: bytes, inputs: list[NDArray[Any]]) -> Answer:
    """In this process."""
    return _answer(lambda folder: litert_host.main(folder, []), model, inputs)[0]


def on_micro(model: bytes, inputs: list[NDArray[Any]], arena_bytes: int = ARENA_BYTES) -> Answer:
    """In this process, in an arena of so many bytes. Raises `RuntimeError` where that is too small."""
    found, log = _answer(lambda folder: micro_host.main(folder, arena_bytes, False), model, inputs)
    return Answer(found.outputs, *allocations(log))


def _answer(host: Callable[[Path], None], model: bytes, inputs: list[NDArray[Any]]) -> tuple[Answer, str]:
    """What a runtime's host script writes, and what the runtime itself says on the process's stderr."""
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder, kept = Path(name), os.dup(2)
        (folder / "model.tflite").write_bytes(model)
        np.savez(folder / "inputs.npz", *inputs)
        os.dup2(log.fileno(), 2)
        try:
            host(folder)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        log.seek(0)
        with np.load(folder / "outputs.npz") as stored:
            return Answer([stored[key] for key in stored.files]), log.read().decode(errors="replace")


def proven(before: bytes, after: bytes, seed: int) -> tuple[Counter[str], str]:
    """Figures of a file in bands beside the uncut one, and what is wrong with it, if anything."""
    read, cut = read_tflite(before), read_tflite(after)
    inputs = random_inputs(read.graph.inputs, seed)
    predicted = file_footprint(cut, TARGETS["host"])
    head = predicted.greedy_head_bytes if predicted.stored_head_bytes is None else predicted.stored_head_bytes
    arena = -(-predicted.file_arena_bytes // _SMALLEST_STEP) * _SMALLEST_STEP
    faults = []
    try:
        old = on_micro(before, inputs)
    except RuntimeError:  # a kernel that the runtime does not have for these types or scales
        return Counter(uncut_refused=1), ""
    new = on_micro(after, inputs)
    try:
        if not _same(new, on_micro(after, inputs, arena)):
            faults.append("other outputs in the predicted arena")
    except RuntimeError:
        faults.append(f"does not start in the predicted arena of {arena}")
    if micro_host.starts(partial(_started, after), arena - _SMALLEST_STEP):
        faults.append(f"starts in less than the predicted arena of {arena}")
    if (new.head_bytes, new.tail_bytes) != (head, predicted.tail_bytes):
        faults.append(f"head and tail {new.head_bytes}, {new.tail_bytes}, not {head}, {predicted.tail_bytes}")
    exact, wanted = not faults, on_litert(before, inputs)
    if not _same(wanted, on_litert(after, inputs)):
        faults.append("other outputs on LiteRT")
    if not _same(old, new):
        faults.append("other outputs on TensorFlow Lite Micro")
    equal = not any("outputs" in fault for fault in faults)
    alive = any(np.unique(output).size > 1 for output in wanted.outputs)
    figures = {"in_bands": len(cut.operators) != len(read.operators), "equal": equal, "exact": exact, "alive": alive}
    return Counter({name: int(value) for name, value in figures.items()} | {"files": 1}), "; ".join(faults)


def _started(model: bytes, arena_bytes: int) -> None:
    from tflite_micro import runtime

    runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)


def _same(a: Answer, b: Answer) -> bool:
    return len(a.outputs) == len(b.outputs) and all(
        x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a.outputs, b.outputs, strict=True)
    )


def of_space(name: str, number: int, slower: float) -> Iterator[tuple[str, Counter[str], str]]:
    """The two proofs of a network: its planned bands, and random ones."""
    rng = np.random.default_rng([list(SPACES).index(name), number])
    graph = _sampled(name, rng)
    before = _written(graph, number)
    planned = lean(before, slower)
    figures, fault = proven(lean(before), planned, number)
    wanted, found = measure_in_bands(graph, slower), file_footprint(read_tflite(planned))
    if (wanted.arena_bytes, wanted.macs) == (found.arena_bytes, found.macs):
        figures["as_measured"] = 1
    else:
        fault += f"; the search measured {wanted.arena_bytes} bytes and {wanted.macs}, the file {found.arena_bytes}"
    yield f"{name}, planned", figures, fault
    pair = cut_at_random(before, rng)
    if pair:
        figures, fault = proven(*pair, number)
        yield f"{name}, at random", figures, fault


def _sampled(name: str, rng: np.random.Generator) -> Graph:
    """A random network whose largest map is not too large, in canonical order."""
    space = SPACES[name]
    while True:
        graph = space.graph(space.sample(rng))
        if max(node.output.size_bytes for node in graph.nodes) <= _MOST_PIXELS:
            return from_json(to_json(graph))


def _written(graph: Graph, seed: int) -> bytes:
    """The int8 file that export would write, before bands and plan."""
    merged = deployed(graph)
    graph = reordered(graph, merged.original_order(peak_memory(merged.graph).order))
    examples = np.random.default_rng(seed).normal(size=(4, *graph.inputs[0].shape[1:])).astype(np.float32)
    return int8_network(graph, some_weights(graph, seed), examples).tflite()


def cut_at_random(model: bytes, rng: np.random.Generator) -> tuple[bytes, bytes] | None:
    """A file in random bands, cut once or twice, and the uncut one with the same outputs; None where none is cut.

    The maps that the first part gives are outputs of both, but for those that the file has as outputs already.
    """
    part = _part(Cutter(read_tflite(model)), rng)
    if part is None:
        return None
    content = unpacked(model)
    _show(content, part)
    before = after = packed(content)
    for _ in range(int(rng.integers(1, 3))):
        content = unpacked(after)
        read = read_tflite(packed(content))
        cut = banded(Cutter(read), part)
        if cut is None or len(cut.model.operators) > 1_500:
            break
        put_in_bands(content, read, cut)
        lay_out(content)
        after = packed(content)
        part = _part(Cutter(read_tflite(after)), rng) or part
    return None if after is before else (before, after)


def _part(cutter: Cutter, rng: np.random.Generator) -> Part | None:
    """Any run of operators that can be cut, in bands that they can have; None where fifty trials have none."""
    able = cutter.cuttable
    firsts = [number for number, can in enumerate(able) if can]
    for _ in range(50 if firsts else 0):
        first = int(rng.choice(firsts))
        last = first + 1
        while last < len(able) and able[last] and rng.random() < 0.8:
            last += 1
        rows, columns = (int(rng.choice([1, 2, 3, 5])) for _ in range(2))
        part = Part(first, last, rows, columns, int(rng.choice([1, 2, 3, NEVER])), float(rng.choice([1.0, 0.75])))
        if cutter.ways(part):
            return part
    return None


def _show(content: Any, part: Part) -> None:
    """Let all maps that operators of the part make and that are read after it be outputs."""
    graph = content.subgraphs[0]
    made = [int(t) for operator in graph.operators[part.first : part.last] for t in operator.outputs]
    read = {int(t) for operator in graph.operators[part.last :] for t in operator.inputs}
    shown = [t for t in made if t in read and t not in set(map(int, graph.outputs))]
    graph.outputs = [*map(int, graph.outputs), *shown]


def of_known(name: str, slower: float) -> Iterator[tuple[str, Counter[str], str]]:
    """The proof of a published network, as TensorFlow's converter writes it."""
    from benchmarks.foreign_sections.convert import of_keras
    from edgevolve.training.keras_model import keras_model

    graph = KNOWN[name]()
    before = of_keras(keras_model(graph, some_weights(graph, 0), batch_size=1), "int8")
    yield name, *proven(before, replanned(before, slower).model, 0)


def block(name: str, first: int, last: int, slower: float) -> dict[str, Counter[str]]:
    """The proofs of some networks in this process; faults are printed."""
    configure_tensorflow(1)
    totals: dict[str, Counter[str]] = {}
    for number in range(first, last):
        proofs = of_known(name, slower) if name in KNOWN else of_space(name, number, slower)
        try:
            for row, figures, fault in proofs:
                totals.setdefault(row, Counter()).update(figures)
                if fault:
                    print(f"{row}, {number}: {fault.lstrip('; ')}", file=sys.stderr, flush=True)
        except (Exception, SystemExit) as error:  # the latter of a runtime that refuses a file
            where = traceback.extract_tb(error.__traceback__)[-1]
            totals.setdefault(name, Counter()).update(files=1, errors=1)
            words = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            print(f"{name}, {number}: {words}", file=sys.stderr, flush=True)
    return totals


def main() -> None:
    """Run the blocks, each in a process; or one, as that process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=300, help="of each space")
    parser.add_argument("--known", action="store_true", help="published networks in place of random ones")
    parser.add_argument("--only", nargs="+", choices=(*SPACES, *KNOWN))
    parser.add_argument("--slower", type=quantity, default=0.2)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--block", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.block:
        name, first, last = options.block
        print(json.dumps(block(name, int(first), int(last), options.slower)))
        return
    names = options.only or list(KNOWN if options.known else SPACES)
    starts = range(0, 1 if options.known else options.networks, _BLOCK)
    blocks = [
        (name, start, 1 if name in KNOWN else min(start + _BLOCK, options.networks))
        for start in starts
        for name in names
    ]
    end, totals = monotonic() + 60 * options.minutes, {}
    with ThreadPoolExecutor(options.processes) as pool:
        for found in pool.map(lambda each: in_a_process(*each, options.slower, end), blocks):
            for row, figures in found.items():
                totals.setdefault(row, Counter()).update(figures)
    print_table(totals)
    total = sum(totals.values(), Counter[str]())
    cut = max(total["files"], 1)
    shares = {f"{name}_share": round(total[name] / cut, 6) for name in ("equal", "exact", "alive")}
    crashed = total["crashed_blocks"]
    counts = {name: total[name] for name in ("files", "in_bands", "errors", "uncut_refused")}
    print(json.dumps({**counts, **shares, "crashed_blocks": crashed}))


def in_a_process(name: str, first: int, last: int, slower: float, end: float) -> dict[str, Counter[str]]:
    """A block; nothing where the time is over."""
    if monotonic() > end:
        return {}
    command = [sys.executable, __file__, "--slower", str(slower), "--block", name, str(first), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    said = [line for line in done.stderr.splitlines() if done.returncode or line.startswith(name)]
    print(*said[-30:], sep="\n", end="\n" if said else "", file=sys.stderr, flush=True)
    if done.returncode:
        print(f"{name}, {first} to {last}: exit {done.returncode}", file=sys.stderr, flush=True)
        return {name: Counter(crashed_blocks=1)}
    return {row: Counter(figures) for row, figures in json.loads(done.stdout.splitlines()[-1]).items()}


def print_table(totals: Mapping[str, Counter[str]]) -> None:
    """A row a space and way to cut."""
    table = Table("networks", *(name.replace("_", " ") for name in FIGURES))
    for row, figures in sorted(totals.items()):
        table.add_row(row, *(str(figures[name]) for name in FIGURES))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
