"""What holds of files that nobody here made: are they read, is the memory promised the memory needed, is nothing lost.

    python benchmarks/foreign_files.py FOLDER [--make]

Takes every `.tflite` of the folder and of those inside it, each in a process of its own that has ten minutes and 4 GiB
of address space. `--make` first fills the folder with some 400 files (`benchmarks/foreign_corpus.py`). The figures:

- read, or refused: by reason, with numbers and names left out of it;
- head exact: head and tail for `host` are to the byte what the recording allocator of TensorFlow Lite Micro reports, of
  the files that are read and that it starts;
- least arena: by bisection, against the promise; it is wrong where the promise is more than 2 % too small and is not
  said to be a lower bound;
- optimised: outputs before and after on inputs of the benchmark's own, on TensorFlow Lite Micro where `inspect` says
  that it runs the file, else on LiteRT; content that the new file lacks. TensorFlow Lite Micro also starts some files
  that it computes wrongly, such as those with weights outside or with sizes left open: they are counted as denied.

Prints a line for each file of which something does not hold, a table, and last one line of JSON.
"""

import argparse
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgevolve.deployment import ExportError
from edgevolve.deployment.flatbuffer import unpacked
from edgevolve.deployment.isolated import IsolatedError, run_isolated
from edgevolve.deployment.micro import MicroError, available, run_on_micro
from edgevolve.deployment.optimise import optimised, random_inputs
from edgevolve.reports.network import inspect_file, network_json, network_table
from edgevolve.tflite import PLAN_NAME, TfliteError, TfliteModel, load_tflite, runtimes
from resource_models import HOST, Footprint

_LIMIT_S = 600
_LIMIT_BYTES = 4 << 30
_TOLERANCE = 0.02
_SEED = 1
"""Of the inputs; `optimise` tries others."""

Facts = dict[str, Any]


def examined(path: Path) -> Facts:
    """All that is asked of one file."""
    try:
        model = load_tflite(path)
    except TfliteError as refusal:
        return {"refused": str(refusal).removeprefix(f"{path}: ")}
    content = path.read_bytes()
    inspection = inspect_file(model, HOST)
    json.dumps(network_json(inspection))
    Console(file=io.StringIO()).print(network_table(inspection))
    facts: Facts = {
        "unknown": list(inspection.footprint.unmodelled) if inspection.footprint else [],
        "denied": list(inspection.runtimes[0].stopped_by),
    }
    return facts | _arena(content, inspection.footprint) | _optimised(content, model)


def _arena(content: bytes, promise: Footprint | None) -> Facts:
    """Head, tail and least arena, promised and as the runtime has them."""
    facts: Facts = {}
    if promise:
        head = promise.greedy_head_bytes if promise.stored_head_bytes is None else promise.stored_head_bytes
        facts["promised"] = [head, promise.tail_bytes, promise.file_arena_bytes]
    try:
        run = run_on_micro(content, [], least_arena=True)
    except MicroError as error:
        return facts | {"micro_says": str(error)}
    return facts | {"needed": [run.head_bytes, run.tail_bytes, run.least_arena_bytes]}


def _optimised(content: bytes, model: TfliteModel) -> Facts:
    """Whether `optimise` gives a file, computes what the original does and has all that it held."""
    try:
        new = optimised(content).model
    except (TfliteError, ExportError) as refusal:
        return {"not_optimised": str(refusal)}
    facts: Facts = {"rewritten": new != content, "lost": lost(content, new)}
    if new == content:
        return facts
    inputs = random_inputs(model.graph.inputs, _SEED)
    for runtime in ("TensorFlow Lite Micro", "LiteRT") if runtimes(model)[0].runs else ("LiteRT",):
        try:
            before = _outputs(runtime, content, inputs)
        except (MicroError, IsolatedError):
            continue
        return facts | {"runtime": runtime, "equal": _equal(runtime, before, new, inputs)}
    return facts


def _outputs(runtime: str, model: bytes, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
    if runtime == "LiteRT":
        return run_isolated("litert_host.py", model, inputs).outputs
    return run_on_micro(model, inputs).outputs


def _equal(runtime: str, before: Sequence[NDArray[Any]], new: bytes, inputs: Sequence[NDArray[Any]]) -> bool:
    try:
        after = _outputs(runtime, new, inputs)
    except (MicroError, IsolatedError):
        return False
    return len(before) == len(after) and all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))


def lost(before: bytes, after: bytes) -> list[str]:
    """What the first file holds beside its network and the second does not hold, or holds otherwise."""
    old, new = _beside_the_network(before), _beside_the_network(after)
    return [kind for kind, content in old.items() if new[kind] != content]


def _beside_the_network(content: bytes) -> dict[str, Any]:
    model, archive = unpacked(content), io.BytesIO(content)
    data = [b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes() for buffer in model.buffers]
    graphs = model.subgraphs
    packed_files: dict[str, bytes] = {}
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as appended:
            packed_files = {name: appended.read(name) for name in appended.namelist()}
    return {
        "description": model.description,
        "metadata": [(e.name, data[e.buffer]) for e in model.metadata or () if e.name not in _PLAN],
        "signatures": [_plain(signature) for signature in model.signatureDefs or ()],
        "appended archive": packed_files,
        "constants": [[data[t.buffer] for t in graph.tensors] for graph in graphs],
        "quantisation": [[_plain(t.quantization) for t in graph.tensors] for graph in graphs],
        "names of inputs and outputs": [
            [graph.tensors[i].name for i in (*graph.inputs, *graph.outputs)] for graph in graphs
        ],
        "operators": [
            sorted(
                str((list(o.outputs), list(o.inputs), _plain(o.builtinOptions), _plain(o.customOptions)))
                for o in graph.operators or ()
            )
            for graph in graphs
        ],
    }


_PLAN = (PLAN_NAME, PLAN_NAME.encode())


def _plain(value: Any) -> Any:
    """An object of the schema as values that can be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in vars(value).items()} if hasattr(value, "__dict__") else value


def tried(path: Path) -> Facts:
    """The same in a process of its own; what becomes of that is a fact, too."""
    command = [sys.executable, __file__, "--one", str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return {"ended": f"no answer within {_LIMIT_S} s"}
    if process.returncode < 0:
        return {"ended": f"died of signal {-process.returncode}"}
    if process.returncode:
        return {"traceback": errors.strip().splitlines()[-12:]}
    facts: Facts = json.loads(output.splitlines()[-1])
    return facts


def complaints(facts: Facts) -> list[str]:
    """What does not hold of a file."""
    faults = [*facts.get("traceback", []), *([facts["ended"]] if "ended" in facts else [])]
    promised, needed = facts.get("promised"), facts.get("needed")
    if promised and needed:
        if wrong(facts):
            faults.append(f"arena of {promised[2]} promised, {needed[2]} needed")
        elif promised[2] > needed[2] * (1 + _TOLERANCE):
            faults.append(f"arena of {promised[2]} promised, {needed[2]} is enough")
        if promised[:2] != needed[:2] and not facts["unknown"]:
            faults.append(f"head and tail {promised[:2]}, the runtime says {needed[:2]}")
    elif promised and "micro_says" in facts:
        faults.append(f"an arena of {promised[2]} for what the runtime refuses: {facts['micro_says']}")
    elif needed:
        faults.append(f"no arena for what the runtime starts: {', '.join(facts['denied'])}")
    if facts.get("equal") is False:
        faults.append(f"other outputs on {facts['runtime']} after optimise")
    return faults + [f"lost: {kind}" for kind in facts.get("lost", [])]


def wrong(facts: Facts) -> bool:
    """Whether a promise that is not said to be a lower bound is more than 2 % too small."""
    promised, needed = facts.get("promised"), facts.get("needed")
    return bool(promised and needed and not facts["unknown"] and promised[2] < needed[2] * (1 - _TOLERANCE))


def figures(all_facts: Sequence[Facts]) -> dict[str, float]:
    """The last line."""
    read = [facts for facts in all_facts if "unknown" in facts]
    started = [facts for facts in read if facts.get("needed")]
    held = [facts for facts in started if facts.get("promised")]
    promised = [facts for facts in held if not facts["unknown"]]
    within = [f for f in promised if not wrong(f) and f["promised"][2] <= f["needed"][2] * (1 + _TOLERANCE)]
    equal = [facts["equal"] for facts in read if "equal" in facts]
    return {
        "files": len(all_facts),
        "read": len(read),
        "refused": sum("refused" in facts for facts in all_facts),
        "started_by_micro": len(started),
        "head_exact_share": _share(f["promised"][:2] == f["needed"][:2] for f in held),
        "arena_promised": len(promised),
        "arena_lower_bounds": len(held) - len(promised),
        "arena_within_2_per_cent": len(within),
        "arena_too_large": len(promised) - len(within) - sum(map(wrong, promised)),
        "arena_wrong": sum(map(wrong, promised)),
        "arena_for_refused": sum("promised" in f and "micro_says" in f for f in read),
        "started_though_denied": sum(bool(facts["denied"]) for facts in started),
        "optimised": sum("lost" in facts for facts in read),
        "rewritten": sum(facts.get("rewritten", False) for facts in read),
        "outputs_compared": len(equal),
        "outputs_equal_share": _share(equal),
        "content_lost": sum(bool(facts.get("lost")) for facts in read),
        "runtime_crashes": sum("died of signal" in facts.get("micro_says", "") for facts in read),
        "out_of_time_or_died": sum("ended" in facts for facts in all_facts),
        "tracebacks": sum("traceback" in facts for facts in all_facts),
    }


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return round(sum(listed) / len(listed), 4) if listed else 1.0


def _kind(reason: str) -> str:
    """A reason without what differs from file to file."""
    return re.sub(r"(?<=tensor )\S+|\b[\w./]*\d[\w./]*\b", "…", reason)[:100]


def report(all_facts: Sequence[Facts]) -> None:
    """Tables of the reasons and the figures, and the line."""
    console = Console(width=140)
    for title, key in (("refused", "refused"), ("not optimised", "not_optimised"), ("not on Micro", "micro_says")):
        table = Table("files", title, box=None, pad_edge=False)
        for reason, number in Counter(_kind(facts[key]) for facts in all_facts if key in facts).most_common():
            table.add_row(str(number), reason)
        console.print(table, markup=False, highlight=False)
    unknown = Counter(name for facts in all_facts for name in facts.get("unknown", []))
    console.print(f"lower bounds without: {', '.join(f'{name} ({n})' for name, n in unknown.items()) or 'none'}")
    table = Table("figure", "value", box=None, pad_edge=False)
    for figure, value in figures(all_facts).items():
        table.add_row(figure, str(value))
    console.print(table)
    print(json.dumps(figures(all_facts)))


def main() -> None:
    """Try every file of a folder; or one, as the process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--make", action="store_true", help="fill the folder first")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        resource.setrlimit(resource.RLIMIT_AS, (_LIMIT_BYTES, _LIMIT_BYTES))
        print(json.dumps(examined(arguments.folder)))
        return
    if not available():
        parser.error("TensorFlow Lite Micro is not installed: pip install --pre tflite-micro")
    if arguments.make:
        command = [sys.executable, str(Path(__file__).with_name("foreign_corpus.py")), str(arguments.folder)]
        subprocess.run(command, check=True)
    paths = sorted(arguments.folder.rglob("*.tflite"))
    all_facts = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path, facts in zip(paths, pool.map(tried, paths), strict=True):
            all_facts.append(facts)
            for complaint in complaints(facts):
                print(f"{path.relative_to(arguments.folder)}: {complaint}", flush=True)
    report(all_facts)


if __name__ == "__main__":
    main()
