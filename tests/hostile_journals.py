"""Journals with something changed, and all that reads a journal: what each says, in this process."""

import contextlib
import io
import json
import math
import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from pretend import make_config, virtual

from driver import BAD_INPUT, main
from edgevolve.engine import Inline, search
from edgevolve.reports.watch import LiveRun
from edgevolve.runs import SearchConfig
from edgevolve.runs.events import Failure, Retrained, Standard, Tested
from search_algorithms import NSGA3, AgingEvolution, SuccessiveHalving

JOURNALS = Path(__file__).parent / "data" / "journals"

ODD = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**400, -(10**400), 0.5, 1e308, -1e308, 1e-320, 1e999),
    *(math.nan, math.inf, -math.inf, "", "=1+1", "\u202e", "\ud800", "\x1b[2J", "../../x", "x" * 5000, "0", "error"),
    *([], {}, [[1]], [None], {"a": 1}, {"type": "AgingEvolution"}, ["x", 1.0], {"": {"": {}}}),
]
"""What any value may be replaced by."""

_DEEP = 2000


def mutated(content, rng):
    """One to three changes: of bits, bytes, lines, values, keys, depth or length."""
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        lines = content.splitlines(keepends=True)
        if not lines:
            break
        at, other = (int(rng.integers(len(lines))) for _ in range(2))
        match int(rng.integers(16)):
            case 0:
                place = int(rng.integers(len(content)))
                content = content[:place] + bytes([content[place] ^ 1 << int(rng.integers(8))]) + content[place + 1 :]
                continue
            case 1:
                place = int(rng.integers(len(content)))
                content = content[:place] + rng.bytes(int(rng.integers(1, 9))) + content[place + int(rng.integers(9)) :]
                continue
            case 2:
                content = content[: int(rng.integers(len(content) + 1))]
                continue
            case 3:
                del lines[at]
            case 4:
                lines.insert(at, lines[other])
            case 5:
                lines[at], lines[other] = lines[other], lines[at]
            case 6:
                lines[at] = b"[" * _DEEP + b"]" * _DEEP + b"\n"
            case _:
                lines[at] = _changed(lines[at], rng)
        content = b"".join(lines)
    return content


def _changed(line, rng):
    """The event with a value replaced, taken out or named anew."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return line
    holder, key = event, None
    while isinstance(holder, dict | list) and holder:
        places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = places[int(rng.integers(len(places)))]
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.2:
            break
        holder = holder[key]
    if key is None:
        return line
    match int(rng.integers(8)):
        case 0 if isinstance(holder, dict):
            holder[f"\u202e<b>{key}"] = holder.pop(key)
        case 1:
            del holder[key]
        case 2:
            deep = "[" * _DEEP + "]" * _DEEP
            holder[key] = "DEEP"
            return json.dumps(event).replace('"DEEP"', deep).encode() + b"\n"
        case 3 | 4 if isinstance(holder[key], str):
            holder[key] = (
                holder[key][: int(rng.integers(9))] + ["\u202e", "=", "\x1b[2J", "<b>", "\n"][int(rng.integers(5))]
            )
        case 3 | 4 | 5 | 6 if isinstance(holder[key], int | float):
            factor = [-1, 0, 2, 10, 1e-9, 1e9, 1e300][int(rng.integers(7))]
            holder[key] = type(holder[key])(holder[key] * factor) if math.isfinite(holder[key] * factor) else 0
        case _:
            holder[key] = ODD[int(rng.integers(len(ODD)))]
    return json.dumps(event).encode() + b"\n"


def sources(folder):
    """(journal, configuration to resume it with) of runs made here and by earlier versions."""
    journals = []
    for name, fields in {
        "aging": {},
        "halving": {"algorithm": SuccessiveHalving(AgingEvolution(6, 3), epochs=20, least_epochs=2)},
        "nsga3": {"algorithm": NSGA3(population=6)},
    }.items():
        config = make_config(evaluations=12, **fields)
        search(config, name, out=folder, evaluator=virtual(2))
        search(config.with_fields(evaluations=15), name, out=folder, evaluator=virtual(2), resume=True)
        content = (folder / name / "journal.jsonl").read_bytes() + _trained_again()
        journals.append((content, config.with_fields(evaluations=17)))
    for family in ("evolution", "halving", "surrogate"):
        spec = spec_from_file_location(f"old_{family}", JOURNALS / "configs" / f"{family}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        content = (JOURNALS / f"0.1.0-{family}.jsonl").read_bytes()
        journals.append((content, module.config.with_fields(evaluations=1)))
    return journals


def _trained_again():
    """Lines of a candidate that was trained again, and tested."""
    ran = {"time": 9e9, "started": 9e9, "ended": 9e9, "worker": "0", "node": "n", "number": 1, "epochs": 9}
    failure = Failure(kind="diverged", reason="the loss is not finite")
    scores = {"float": {"error": 0.1}, "int8": {"error": 0.2}}
    lines = [
        Retrained(**ran, seed=0, metrics={"error": 0.1}, curves={"loss": (1.0, 0.5)}, artefact="0" * 64),
        Retrained(**ran, seed=1, failure=failure),
        Standard(**ran, name="ds_cnn_s", metrics={"error": 0.1, "macs": 3e6}, curves={"loss": (1.0, 0.5)}),
        Standard(**ran, name="resnet_8", failure=failure),
        Tested(time=9e9, number=1, artefact="0" * 64, scores=scores),
    ]
    return "".join(line.model_dump_json() + "\n" for line in lines).encode()


def said(arguments):
    """(exit status, standard output, standard error) of a command."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["driver.py", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv = before
    return status, out.getvalue(), err.getvalue()


def looks(folder):
    """Show, report and watch the journal in `folder`: for each whether it gave a result.

    Raises whatever is neither a result nor one line with exit status 2; warnings too.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {
            "show": _result(["show", str(folder)]),
            "report": _result(["report", str(folder), "--no-pictures"]),
            "watch": _watched(folder),
        }


def answers(folder, config: SearchConfig):
    """As `looks`, then resume it; what was resumed is shown afterwards."""
    answered = looks(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answered["resume"] = _resumed(folder, config)
        if answered["resume"]:
            assert _result(["show", str(folder)]), "a run that was resumed is shown no more"
    return answered


def _result(arguments):
    status, out, err = said(arguments)
    assert "Traceback" not in out + err, err
    if status == 0:
        assert out and not err, err
        return True
    assert status == 2, (status, err)
    _one_line(err.removesuffix("\n"))
    return False


def _one_line(text):
    assert text and text.isprintable() and len(text) <= 700, text


def _watched(folder):
    """The page's news and its networks; whether there was anything but words."""
    live = LiveRun(str(folder))
    while live.look():
        pass
    _, news = live.news("")
    first = json.loads(news)
    for number in (1, 10**9):
        network = live.network(number)
        if network is not None:
            json.dumps(network)
    if "waiting" in first:
        return False
    return bool(first["view"])


def _resumed(folder, config):
    try:
        search(config, folder.name, out=folder.parent, evaluator=Inline, resume=True)
    except BAD_INPUT as error:
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            from edgevolve.process import say

            say(str(error))
        _one_line(err.getvalue().removesuffix("\n"))
        return False
    return True
