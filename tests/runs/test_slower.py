"""A search that lets large maps run in bands."""

import json

import numpy as np
import pytest
from pretend import Noise

from edgevolve.data import Split, Splits
from edgevolve.graph import from_json, to_json
from edgevolve.runs import ConfigError, Run
from edgevolve.runs.task import enough_arena_bytes
from resource_models import in_bands, measure, measure_in_bands
from search_algorithms import Problem, at_most, minimise
from search_space import CnnSpace

MOST = 24_000


class Large(Noise):
    input_shape = (40, 40, 3)

    def load(self):
        rng = np.random.default_rng(self.seed)
        return Splits(*(Split(rng.random((6, 40, 40, 3), np.float32), np.arange(6) % 3) for _ in range(3)))


@pytest.fixture
def bounded(config):
    def make(**fields):
        problem = Problem([minimise("error"), minimise("macs", scale=1e6)], [at_most("arena_bytes", MOST)])
        data = Large()
        return config(data=data, space=CnnSpace(data.input_shape, data.classes), problem=problem, **fields)

    return make


def test_a_search_finds_networks_that_would_not_have_fitted(bounded, run_search):
    run = run_search(bounded(slower=0.2, evaluations=12))
    again = Run.open(run.folder)
    fitted_by_bands = 0
    for record in (one for one in again.records.values() if one.ended > 0):
        graph = from_json(to_json(again.graph(record.number)))
        footprint = measure_in_bands(graph, 0.2, MOST)
        assert record.metrics["arena_bytes"] == footprint.arena_bytes <= MOST
        assert record.metrics["macs"] == pytest.approx(footprint.macs, rel=1e-6)
        whole = measure(graph)
        if whole.arena_bytes <= MOST:
            assert record.metrics["macs"] == whole.macs
        fitted_by_bands += whole.arena_bytes > MOST
    assert fitted_by_bands


def test_without_it_nothing_is_new_in_the_metrics_and_the_journal_says_the_share(bounded, run_search):
    for slower in (0.0, 0.2):
        run = run_search(bounded(slower=slower, evaluations=3), name=f"slower-{slower}")
        begun = json.loads((run.folder / "journal.jsonl").read_text().splitlines()[0])
        assert begun["config"]["slower"] == slower
    first = bounded(evaluations=3)
    graph = first.space.graph(first.space.sample(np.random.default_rng(0)))
    plain = {name: value for provider in first.providers for name, value in provider(graph).items()}
    assert plain["arena_bytes"] == measure(from_json(to_json(graph))).arena_bytes


def test_a_devices_latency_counts_the_work_of_bands(bounded):
    config = bounded(slower=0.2, devices=("cortex_m4",))
    (device,) = config.device_metrics
    (plain,) = bounded(devices=("cortex_m4",)).device_metrics
    rng, seen = np.random.default_rng(0), 0
    while seen < 3:
        graph = config.space.graph(config.space.sample(rng))
        if in_bands(from_json(to_json(graph)), 0.2, MOST).slower > 0.01:
            seen += 1
            assert device(graph)["latency_ms"].value > plain(graph)["latency_ms"].value


@pytest.mark.parametrize(
    ("objectives", "constraints", "enough"),
    [
        ([minimise("error")], [at_most("arena_bytes", MOST)], MOST),
        ([minimise("error")], [], 0),
        ([minimise("error"), minimise("arena_bytes")], [at_most("arena_bytes", MOST)], 0),
        ([minimise("error")], [at_most("arena_bytes", MOST), at_most("arena_bytes@cortex-m-dsp", MOST)], 0),
        ([minimise("error")], [at_most("arena_bytes", MOST), at_most("arena_bytes", MOST / 2, soft=True)], 0),
    ],
)
def test_bands_do_no_more_than_the_bound_asks_where_nothing_else_is_wanted_of_the_arena(
    objectives, constraints, enough
):
    assert enough_arena_bytes(Problem(objectives, constraints)) == enough


@pytest.mark.parametrize("slower", [-0.1, "20%", float("nan")])
def test_a_share_that_is_none_is_refused(bounded, slower):
    with pytest.raises(ConfigError, match="slower"):
        bounded(slower=slower)
