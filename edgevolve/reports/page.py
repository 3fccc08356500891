"""One self-contained HTML file of one or several runs: no network, and no text of a journal that could act as markup.

Texts reach the page as compressed JSON in base64, and are inserted as text. A content security policy allows the page's
own script, by its hash, the scripts that it unpacks, and no connection. Plotly and DataTables are compressed as well:
the page of a small run takes 2 MB.
"""

import base64
import gzip
import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import itables
import jinja2
import numpy as np
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from edgevolve.printable import printable, printable_lines
from edgevolve.reports.colours import FAINT, FRONT
from edgevolve.reports.comparison import comparison, run_titles
from edgevolve.reports.metrics import metric_names
from edgevolve.reports.quantities import short
from edgevolve.reports.terminal import metric_words
from edgevolve.reports.view import View, charts_view, graphs, network_view, rows_view, run_view
from edgevolve.runs import Run
from edgevolve.runs.run import fitting
from search_algorithms import Rejected

_ASSETS = Path(__file__).parent / "assets"
_TABLES = Path(itables.__file__).parent / "html"
_MOST_NETWORKS = 150
_MOST_NAME = 200


@np.errstate(all="ignore")  # what is not finite is null, and not drawn
def report_page(runs: Sequence[Run], commands: Sequence[str]) -> str:
    """The page of `runs`; `commands` are their paths as the user gave them, for the commands that it shows.

    Without runs it is the page of the empty journal that the first command names. From a front of more than 150
    networks the page details the best and others at equal steps along the front.
    """
    if not runs:
        empty: View = {"runs": [], "compare": None, "live": False}
        return render(empty, commands[0], "The journal is empty: no search has begun.")
    views = []
    for run, command in zip(runs, commands, strict=True):
        with fitting(run.path):
            views.append(_whole_view(run, command))
    data = {"runs": views, "compare": comparison(runs) if len(runs) > 1 else None, "live": False}
    names = run_titles(runs) if len(runs) < 4 else [*run_titles(runs)[:2], f"{len(runs) - 2} more"]
    title = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return render(data, title, views[0]["summary"] if len(runs) == 1 else f"{len(runs)} runs", _static(runs[0]))


def render(data: View, name: str, summary: str, static: View | None = None) -> str:
    """The page of a view of `reports.view`; with `live` in it, the page follows the events of its server."""
    script = _asset("front.js") + _asset("page.js")
    return _template().render(
        title=short(printable(name), _MOST_NAME),
        summary=printable(summary),
        live=data["live"],
        compared=bool(data["compare"]),
        static=harmless(static or {"names": [], "rows": []}),
        script_hash=_hash(script),
        style=Markup((_TABLES / "dt_bundle.css").read_text(encoding="utf-8") + _asset("page.css")),
        packed=_libraries() | {"data": _packed(_json(data | {"colours": {"front": FRONT, "faint": FAINT}}))},
        script=Markup(script),
    )


def harmless(value: Any) -> Any:
    """JSON values with null for NaN and infinities, and without characters that reverse the direction of text."""
    if isinstance(value, str):
        return printable_lines(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {printable(str(name)): harmless(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(entry) for entry in value]
    return value


def _whole_view(run: Run, command: str) -> View:
    evaluated = [record for record in run.records.values() if not isinstance(record.outcome, Rejected)]
    numbers = _described([record.number for record in run.front], run)
    networks = {
        str(number): network_view(run, run.records[number], graph, command)
        for number, graph in graphs(run, numbers).items()
    }
    return run_view(run) | {"rows": rows_view(run, evaluated), "charts": charts_view(run), "networks": networks}


def _described(numbers: list[int], run: Run) -> list[int]:
    step = -(-len(numbers) // _MOST_NETWORKS) or 1
    always = [record.number for record in (run.best, run.knee) if record]
    return sorted({*numbers[::step], *always})


def _static(run: Run) -> View:
    names = metric_names(run)
    rows = []
    for record in run.front[:_MOST_NETWORKS]:
        words = metric_words(run, record)
        rows.append([record.number, *(words.get(name, "") for name in names), short(record.description, 300)])
    return {"names": ["#", *(short(run.metric(name).title) for name in names), "network"], "rows": rows}


def _json(value: Any) -> str:
    return json.dumps(harmless(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


@cache
def _libraries() -> dict[str, str]:
    tables = (_TABLES / "dt_bundle.js").read_text(encoding="utf-8")
    return {"plotly": _packed(get_plotlyjs()), "tables": _packed(tables)}


def _hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(_ASSETS)
    )
    return environment.get_template("page.html")
