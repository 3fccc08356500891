"""Charts of the job before a search: its curves, and how likely a gradient search made each option."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from edgevolve.printable import printable
from edgevolve.reports.charts import Chart, label, plain, training
from edgevolve.runs import JournalError, Run
from search_space.mixture import CHANCES, OPTIONS

_MOST_OPTIONS = 120
_MOST_EPOCHS = 200


def charts_before(run: Run) -> dict[str, dict[str, Chart]]:
    """Charts of the job before the search, by heading; empty if it left neither curves nor probabilities of options."""
    sections: dict[str, dict[str, Chart]] = {}
    if run.prepared is None:
        return sections
    curves = {name: values for name, values in run.prepared.curves.items() if len(values)}
    if curves:
        sections["Before the search"] = {"seconds": training(curves, run.metrics)}
    arrays = _arrays(run, run.prepared.artefact)
    if {OPTIONS, CHANCES} <= arrays.keys():
        names, chances = arrays[OPTIONS], arrays[CHANCES]
        if chances.ndim == 2 and chances.shape[1] == len(names) and chances.size and chances.dtype.kind == "f":
            sections["How likely each option was"] = {"seconds": likelihoods([str(name) for name in names], chances)}
    return sections


def likelihoods(names: Sequence[str], chances: NDArray[Any]) -> Chart:
    """Probabilities, (epochs, options), as shades: a row an option, the last decision's options at the bottom.

    At most 120 options are shown, the likeliest at the end, and at most 200 epochs, evenly spaced.
    """
    shown = np.sort(np.argsort(-chances[-1], kind="stable")[:_MOST_OPTIONS])
    epochs = np.arange(len(chances))[:: -(-len(chances) // _MOST_EPOCHS)]
    words = [printable(names[place]) for place in shown]
    figure = go.Figure()
    figure.add_heatmap(
        z=chances[epochs][:, shown].T.astype(float).tolist(),
        x=(epochs + 1).tolist(),
        y=[label(word, 60) for word in words],
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(0,114,178,0)"], [1, "rgba(0,114,178,.9)"]],
        colorbar={"title": {"text": "probability"}},
        hovertemplate="%{y}: %{z:.1%} after epoch %{x}<extra></extra>",
    )
    best = shown[int(np.argmax(chances[-1][shown]))]
    figure.update_layout(
        xaxis_title="epoch",
        yaxis={"autorange": "reversed", "automargin": True},
        height=120 + 14 * len(shown),
        meta={
            "alt": f"After {len(chances)} epochs {printable(names[best])} is the likeliest: {chances[-1][best]:.0%}."
        },
    )
    return plain(figure)


def _arrays(run: Run, name: str | None) -> dict[str, NDArray[Any]]:
    """The arrays of an artefact; empty if it is gone or damaged, as the page needs only the journal."""
    try:
        return run.artefacts.arrays(name) if name else {}
    except JournalError:
        return {}
