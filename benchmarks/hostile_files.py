"""What damaged files do to the readers: mutated files through `inspect`, and some of them through `optimise`.

    python benchmarks/hostile_files.py FOLDER [--files 5000] [--optimised 500] [--slower 20%]

Takes the `.tflite` files of the folder in turn and changes each: bytes, bits, offsets, fields of tables, pieces moved,
cut off or added, or what the file says of its operators and tensors (`tests/tflite/test_hostile_tflite.py`). A hundred
at a time are tried in a process of its own that has 1 GiB of memory, and ten seconds a file; `optimise` runs what it
can read in further processes, and has five minutes a file. With `--slower` it may compute parts in bands;
`optimise_in_bands` counts the files that came out so. Prints the files that ended otherwise than in an answer or one
line, a table, and last one line of JSON.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from time import perf_counter
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from edgevolve.deployment import ExportError
from edgevolve.deployment.optimise import optimised
from edgevolve.quantity import quantity
from edgevolve.tflite import TfliteError, read_tflite
from tests.tflite.test_hostile_tflite import mutated, outcome, rewired

_BLOCK = 100
_LIMIT_S = 10
_LONG_LIMIT_S = 300
_LIMIT_BYTES = 1 << 30
_LARGEST = 1 << 20
"""Bytes of a file that is mutated; what is true of a large one is true of a small one."""


def inspected(content: bytes) -> str:
    """How `inspect` ends."""
    refusal = outcome(content)
    if refusal is None:
        return "read"
    return "refused" if len(refusal.splitlines()) == 1 else "several lines"


def replanned(content: bytes, slower: float) -> str:
    """How `optimise` ends."""
    try:
        result = optimised(content, slower)
        if len(result.arenas) > 1:
            return "in bands" if result.arenas[-1][0] < result.arenas[0][0] else "made worse"
        return "read" if result.saving >= 0 else "made worse"
    except (TfliteError, ExportError) as refusal:
        return "refused" if len(str(refusal).splitlines()) == 1 else "several lines"


def changed(source: bytes, rng: np.random.Generator) -> bytes:
    """The file with its bytes or with what it says changed."""
    try:
        return rewired(source, rng) if rng.integers(2) else mutated(source, rng)
    except ExportError:  # the file itself is damaged
        return mutated(source, rng)


def readable(source: bytes, rng: np.random.Generator) -> bytes:
    """A changed file that is read, so that `optimise` has work; any after a hundred trials."""
    content = changed(source, rng)
    for _ in range(100):
        try:
            read_tflite(content)
        except TfliteError:
            content = changed(source, rng)
        else:
            break
    return content


def tried(paths: list[Path], verb: str, block: int, slower: float) -> Counter[str]:
    """A block of files in this process; says on stderr which ones ended badly."""
    ends: Counter[str] = Counter()
    for number in range(block * _BLOCK, (block + 1) * _BLOCK):
        path, rng = paths[number % len(paths)], np.random.default_rng([number, verb == "optimise"])
        source = path.read_bytes()
        content = readable(source, rng) if verb == "optimise" else changed(source, rng)
        began = perf_counter()
        signal.alarm(_LONG_LIMIT_S if verb == "optimise" else _LIMIT_S)
        try:
            end = replanned(content, slower) if verb == "optimise" else inspected(content)
        except _TooLongError:
            end = "hang"
        except Exception:
            end = "traceback"
            traceback.print_exc()
        signal.alarm(0)
        ends[end] += 1
        ends["over_10_s"] += perf_counter() - began > _LIMIT_S
        if end not in ("read", "in bands", "refused"):
            print(f"{verb} {number} of {path}: {end}", file=sys.stderr, flush=True)
    ends["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return ends


class _TooLongError(Exception):
    pass


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooLongError


def in_a_process(folder: Path, verb: str, block: int, slower: float) -> Counter[str]:
    """The same block in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--slower", str(slower), "--block", verb, str(block)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    print(done.stderr, end="", file=sys.stderr, flush=True)
    if done.returncode:
        print(f"{verb}, block {block}: exit {done.returncode}", file=sys.stderr)
        return Counter(traceback=1)
    return Counter(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Try all blocks, two verbs; or one, as the process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=5_000, help="through inspect")
    parser.add_argument("--optimised", type=int, default=500, help="through optimise")
    parser.add_argument("--slower", type=quantity, default=0.0, help="through optimise: share of more work allowed")
    parser.add_argument("--block", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.rglob("*.tflite") if path.stat().st_size <= _LARGEST)
    if arguments.block:
        verb, block = arguments.block
        if verb == "inspect":
            resource.setrlimit(resource.RLIMIT_DATA, (_LIMIT_BYTES, _LIMIT_BYTES))
        signal.signal(signal.SIGALRM, _stop)
        print(json.dumps(tried(paths, verb, int(block), arguments.slower)))
        return
    figures: dict[str, int] = {"sources": len(paths)}

    def one(verb: str, block: int) -> Counter[str]:
        return in_a_process(arguments.folder, verb, block, arguments.slower)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for verb, files in (("inspect", arguments.files), ("optimise", arguments.optimised)):
            blocks = list(pool.map(one, repeat(verb), range(files // _BLOCK)))
            peak = max((block.pop("peak_mb", 0) for block in blocks), default=0)
            total = sum(blocks, Counter[str]())
            for end in ("read", "in bands", "refused", "several lines", "made worse", "traceback", "hang", "over_10_s"):
                figures[f"{verb}_{end.replace(' ', '_')}"] = total[end]
            figures[f"{verb}_peak_mb"] = peak
    table = Table("figure", "value", box=None, pad_edge=False)
    for figure, value in figures.items():
        table.add_row(figure, str(value))
    Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
