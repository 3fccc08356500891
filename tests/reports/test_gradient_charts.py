"""The page of a gradient search: curves of the job before the search, and how likely each option was."""

from types import SimpleNamespace

import numpy as np

from edgevolve.reports.gradient import charts_before, likelihoods
from edgevolve.runs import JournalError
from search_space.mixture import CHANCES, OPTIONS

NAMES = ("normal, node 1: skip_connect(0)", "normal, node 1: <b>conv</b>(0)")
CHANCE = np.array([[0.5, 0.5], [0.4, 0.6], [0.1, 0.9]], np.float32)


def run_with(arrays, curves=None):
    def read(name):
        if arrays is None:
            raise JournalError("gone")
        return arrays

    prepared = SimpleNamespace(curves=curves or {}, artefact="a" * 64)
    return SimpleNamespace(prepared=prepared, artefacts=SimpleNamespace(arrays=read), metrics={})


def test_a_row_an_option_shows_its_probability_by_epoch():
    chart = likelihoods(NAMES, CHANCE)
    (heat,) = chart["data"]
    assert heat["x"] == [1, 2, 3]
    np.testing.assert_allclose(heat["z"], CHANCE.T)
    assert heat["y"][1] == "normal, node 1: &lt;b&gt;conv&lt;/b&gt;(0)"
    assert "90%" in chart["layout"]["meta"]["alt"]


def test_of_many_options_the_likeliest_are_shown_in_their_order():
    chances = np.linspace(0, 1, 300, dtype=np.float32)[None] * np.ones((500, 1), np.float32)
    (heat,) = likelihoods([f"option {i}" for i in range(300)], chances)["data"]
    assert heat["y"][:2] == ["option 180", "option 181"]
    assert heat["y"][-1] == "option 299"
    assert len(heat["x"]) <= 200


def test_curves_and_options_are_charts_where_they_are_there():
    arrays = {OPTIONS: np.array(NAMES), CHANCES: CHANCE}
    sections = charts_before(run_with(arrays, {"loss": (2.0, 1.0), "entropy": (1.0, 0.9)}))
    assert list(sections) == ["Before the search", "How likely each option was"]
    assert len(sections["Before the search"]["seconds"]["data"]) == 2
    assert list(charts_before(run_with(None, {"loss": (2.0,)}))) == ["Before the search"]
    assert charts_before(run_with({"logits": np.zeros(3)})) == {}
    assert charts_before(run_with(arrays | {OPTIONS: np.array(NAMES[:1])})) == {}
    assert charts_before(SimpleNamespace(prepared=None)) == {}
