"""Writes a search as the text of a configuration: the settings that differ from the defaults, each with its reason."""

import os
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from edgevolve.data import Classes, Features, target_of
from edgevolve.starting.plan import Plan
from search_algorithms import Constraint, Objective

_WIDTH = 110
_NAME = 10
"""Characters that a line reserves for the name of an argument before a call."""
_FIELDS = ("board", "problem", "start", "algorithm", "training", "stages", "evaluations", "minutes")
_PLACES = ("input_shape", "classes", "outputs")
"""Arguments of a space that follow from the data."""


def config_text(plan: Plan, file: Path) -> str:
    """The Python of a configuration that will be written to `file`; loading it gives `plan.config`."""
    names: set[str] = {"SearchConfig"}
    data = _call(plan.config.data, plan.reading.why, names, Path(os.path.abspath(file)).parent, 0)
    space = _space(plan, names)
    reason = plan.why.get("space", "")
    lines = [f"data = {data}", "", f"# {reason}", f"space = {space}", "", "config = SearchConfig("]
    lines += ["    data=data,", "    space=space,"]
    for name in _FIELDS:
        value = plan.board if name == "board" else getattr(plan.config, name)
        if name == "problem":
            lines += _problem(plan, names)
            continue
        if name == "start":
            lines += _argument(name, _start(plan), plan.why.get(name, ""), 4) if value else []
            continue
        if name == "stages":
            calls = (_call(stage, {}, names, None, 4) for stage in value)
            lines += _argument(name, f"({', '.join(calls)},)", plan.why.get(name, ""), 4) if value else []
            continue
        text = _call(value, {}, names, None, 4) if is_dataclass(value) else _literal(value, name)
        lines += _argument(name, text, plan.why.get(name, ""), 4)
    body = "\n".join([*lines, ")", ""])
    imports = f"from edgevolve import {', '.join(sorted(names, key=_by_kind))}"
    if len(imports) > _WIDTH:
        imports = "from edgevolve import (\n" + "".join(f"    {name},\n" for name in sorted(names, key=_by_kind)) + ")"
    paths = "from pathlib import Path\n\n" if "Path(__file__)" in body else ""
    return f'"""{_about(plan, file)}\n"""\n\n{paths}{imports}\n\n{body}'


def _by_kind(name: str) -> tuple[bool, bool, str]:
    """A key that sorts names as imports are sorted: constants, classes, functions."""
    return not name.isupper(), name[0].islower(), name


def _about(plan: Plan, file: Path) -> str:
    first = f"Networks for {plan.board}: {plan.reading.seen}."
    pick = plan.pick
    usage = (
        f"Search:  edgevolve {file.name}\n"
        f"Train:   edgevolve train artifacts/{file.stem} --pick {pick} --epochs {plan.final_epochs}   (again, longer)\n"
        f"Export:  edgevolve export artifacts/{file.stem} --pick {pick} --formats tflite,c\n"
        f"         (small: the smallest of those as good as the best within noise; or best, or a number)\n"
        f"Check:   edgevolve check {file.name}   (what is in the data; {plan.feasible:.0%} of random networks fit)"
    )
    wrapped = textwrap.fill(_escaped(first), _WIDTH)
    return f"{wrapped}\n\nWritten by `edgevolve init`; change what you like.\n\n{usage}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _space(plan: Plan, names: set[str]) -> str:
    space, data = plan.config.space, plan.config.data
    names.add(type(space).__name__)
    given = [f"{name}={value!r}" for name, value in _changed(space).items() if name not in _PLACES]
    target = target_of(data)
    if not isinstance(target, Classes):
        end = "outputs=data.target.outputs"
    else:
        end = "data.target.number" if isinstance(data, Features) else "data.classes"
    inside = ", ".join(["data.input_shape", end, *given])
    name, is_short = type(space).__name__, len(inside) + 2 * _NAME <= _WIDTH
    return f"{name}({inside})" if is_short else f"{name}(\n    {inside}\n)"


def _start(plan: Plan) -> str:
    """The networks with which the search begins, as a call of the space's own method."""
    calls = (
        f"space.separable({net.blocks[0].layers[0].filters}, blocks={len(net.blocks) - 1}, units=0)"
        for net in plan.config.start
    )
    return "(\n" + "".join(f"        {call},\n" for call in calls) + "    )"


def _problem(plan: Plan, names: set[str]) -> list[str]:
    names.add("Problem")
    problem = plan.problem
    wishes = ", ".join(_wish(part, names) for part in problem.objectives)
    lines = ["    problem=Problem(", *_argument("objectives", f"[{wishes}]", plan.why.get("objectives", ""), 8)]
    lines.append("        constraints=[")
    for part in problem.constraints:
        lines += _argument("", _wish(part, names), plan.why.get(part.metric, ""), 12)
    return [*lines, "        ],", "    ),"]


def _wish(part: Objective | Constraint, names: set[str]) -> str:
    if isinstance(part, Constraint):
        names.add(part.sense)
        return f"{part.sense}({part.metric!r}, {_number(part.bound)})".replace("'", '"')
    names.add(part.direction)
    scale = "" if part.scale is None else f", scale={_number(part.scale)}"
    return f"{part.direction}({part.metric!r}{scale})".replace("'", '"')


def _number(value: float) -> str:
    return f"{int(value):_}" if float(value).is_integer() else repr(value)


def _changed(thing: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults."""
    changed = {}
    for field in fields(thing):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        value = getattr(thing, field.name)
        if default is MISSING or value != default:
            changed[field.name] = value
    return changed


def _call(thing: Any, why: Mapping[str, str], names: set[str], beside: Path | None, indent: int) -> str:
    """A dataclass as a call, with a line for each argument if any has a reason."""
    names.add(type(thing).__name__)
    parts = []
    for name, value in _changed(thing).items():
        if name == "path" and beside is not None:
            text = _path(value, beside)
        elif is_dataclass(value):
            text = _call(value, why, names, beside, indent + 4)
        else:
            text = _literal(value, name)
        keyword = "" if name in ("path", "data", "strategy", "front_end") else f"{name}="
        parts.append((f"{keyword}{text}", why.get(f"{type(thing).__name__}.{name}", why.get(name, ""))))
    line = f"{type(thing).__name__}({', '.join(text for text, _ in parts)})"
    if not any(reason for _, reason in parts) and "\n" not in line and len(line) + indent + _NAME <= _WIDTH:
        return line
    lines = [line for text, reason in parts for line in _argument("", text, reason, indent + 4)]
    return "\n".join([f"{type(thing).__name__}(", *lines, " " * indent + ")"])


def _literal(value: Any, name: str) -> str:
    if isinstance(value, str) and name == "group" and "\\" in value and '"' not in value:
        return f'r"{value}"'
    if isinstance(value, float) and name == "minutes":
        return f"{value:g}"
    text = repr(value)
    return text.replace("'", '"') if '"' not in text and "\\" not in text else text


def _path(path: str, beside: Path) -> str:
    """A path relative to the configuration's folder if it lies in it, so that both may move; else an absolute path."""
    absolute = Path(path)
    try:
        below = absolute.relative_to(beside)
    except ValueError:
        return _literal(str(absolute), "path")
    return f"str(Path(__file__).parent / {_literal(str(below), 'path')})"


def _argument(name: str, text: str, reason: str, indent: int) -> list[str]:
    """The lines of an argument, with its reason behind it if that fits the line, else above it."""
    space = " " * indent
    line = f"{space}{name}{'=' if name else ''}{text},"
    if not reason:
        return [line]
    if "\n" not in line and len(line) + len(reason) + 4 <= _WIDTH:
        return [f"{line}  # {reason}"]
    return [*(f"{space}# {part}" for part in textwrap.wrap(reason, _WIDTH - indent - 2)), line]
