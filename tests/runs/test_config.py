import numpy as np
import pytest

from edgevolve.graph import from_json, to_json
from edgevolve.runs import ConfigError, DeviceMemory, Resources, config_json, difference
from edgevolve.training import TrainingSettings
from resource_models import TARGETS
from resource_models import measure as measure_footprint
from search_algorithms import AgingEvolution, Problem, at_most, minimise
from search_space import CnnSpace, MlpSpace


class Unprepared:
    metric_names = ("error",)

    def __call__(self, job, splits):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"space": "cnn"}, "space must be a SearchSpace, not str"),
        ({"data": 3}, "data must be a DataSet, not int"),
        ({"algorithm": AgingEvolution}, "algorithm: the class AgingEvolution; write AgingEvolution"),
        ({"metrics": [Resources]}, "metrics: the class Resources"),
        ({"problem": "error"}, "problem must be a Problem, not str"),
        ({"problem": {"error": "small"}}, "problem: error: no aim 'small'; give 'minimize'"),
        ({"algorithm": "aging"}, "algorithm must be a Strategy, not str"),
        ({"training": {"epochs": 3}}, "training"),
        ({"task": print}, "task must be a Task"),
        ({"task": Unprepared()}, "task must be a Task, not Unprepared: it has no prepare"),
        ({"evaluation": 3}, "no field 'evaluation'"),
        ({"optimizer": 3}, "no field 'optimizer'; did you mean 'algorithm'"),
        ({"colour": 3}, "no field 'colour'; it has data, space, problem"),
        ({"algorithm": "NSGA2"}, "algorithm must be a Strategy, not str; did you mean 'NSGA3'"),
        ({"evaluations": 0}, "evaluations"),
        ({"evaluations": "many"}, "evaluations"),
        ({"evaluations": None}, "give a budget"),
        ({"seed": -1}, "seed"),
        ({"workers": 0}, "workers"),
        ({"minutes": 0.0}, "minutes"),
        ({"space": CnnSpace((9, 9, 1), 3)}, "the space takes \\(9, 9, 1\\)"),
        ({"space": CnnSpace((8, 8, 1), 4)}, "gives 4 classes"),
    ],
)
def test_a_wrong_field_is_refused_in_one_line_that_names_it(config, fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config(**fields)
    assert "\n" not in str(caught.value)


def test_a_metric_that_nobody_gives_is_refused_with_those_that_are_known(config):
    odd = config(problem=Problem([minimise("error")], [at_most("latency_ms", 5)]))
    with pytest.raises(
        ConfigError, match="unknown metric 'latency_ms' in problem: known are arena_bytes, error, flash_bytes, macs"
    ):
        odd.check(odd.task)


def test_a_start_that_is_no_genotype_is_refused(config):
    for start in ({"blocks": 3}, "conv"):
        odd = config(start=[start])
        with pytest.raises(ConfigError, match="start: not a genotype"):
            odd.check(odd.task)


def test_a_metric_of_the_users_own_is_known_once_it_is_declared(config):
    class Depth:
        metric_names = ("depth",)

        def __call__(self, graph):
            return {"depth": len(graph.nodes)}

    mine = config(metrics=[Depth()], problem=Problem([minimise("error", scale=0.1)], [at_most("depth", 12)]))
    mine.check(mine.task)


def test_the_json_form_names_every_object_and_its_fields(config):
    payload = config_json(config(training=TrainingSettings(epochs=3)), config().task)
    assert payload["space"] == {
        "type": "CnnSpace",
        "input_shape": [8, 8, 1],
        "classes": 3,
        "outputs": None,
        "max_blocks": 10,
        "max_layers": 3,
        "max_filters": 128,
        "max_dense": 3,
        "max_units": 256,
        "min_dense": 1,
    }
    assert payload["training"]["epochs"] == 3
    assert payload["task"]["type"] == "Pretend"
    assert payload["algorithm"]["population"] == 6


def test_a_difference_names_the_path_and_both_values(config):
    before = config_json(config(), config().task)
    after = config_json(config(algorithm=AgingEvolution(population=7, sample_size=3)), config().task)
    assert difference(before, after) == ["algorithm.population: 6 → 7"]
    assert difference(before, before) == []
    other = config_json(config(space=MlpSpace((8, 8, 1), 3)), config().task)
    assert "space.type: 'CnnSpace' → 'MlpSpace'" in difference(before, other)


def test_resources_give_exactly_the_names_they_declare(config):
    space = config().space
    import numpy as np

    graph = space.graph(space.sample(np.random.default_rng(0)))
    assert tuple(Resources()(graph)) == tuple(Resources().metric_names)


def test_a_problem_may_be_a_mapping(config):
    aims = {"accuracy": "maximize", "macs": "minimise", "model_size_mb": ("max", 0.01)}
    assert config(problem=aims).problem == Problem(
        [minimise("error"), minimise("macs")], [at_most("model_size_bytes", 10_000)]
    )


def test_the_devices_memory_is_an_objective_and_a_bound_like_any_other(config):
    problem = Problem(
        [minimise("error", scale=0.1), minimise("arena_bytes", scale=1e4)], [at_most("flash_bytes", 20_000)]
    )
    made = config(problem=problem)
    made.check(made.task)
    graph = made.space.graph(made.space.sample(np.random.default_rng(0)))
    footprint = measure_footprint(from_json(to_json(graph)))
    given = {name: value for provider in made.providers for name, value in provider(graph).items()}
    assert (given["arena_bytes"], given["flash_bytes"]) == (footprint.arena_bytes, footprint.flash_bytes)
    assert "arena_bytes" not in {name for provider in config().providers for name in provider.metric_names}


def test_other_targets_give_a_metric_of_their_own(config):
    target = TARGETS["cortex-m-mve"]
    problem = Problem([minimise("error", scale=0.1)], [at_most("arena_bytes@cortex-m-mve", 60_000)])
    made = config(problem=problem, metrics=(DeviceMemory(target),))
    made.check(made.task)
    graph = made.space.graph(made.space.sample(np.random.default_rng(0)))
    footprint = measure_footprint(from_json(to_json(graph)), target)
    by_name = config(problem=problem)
    by_name.check(by_name.task)
    for one in (made, by_name):
        values = [value for provider in one.providers for name, value in provider(graph).items() if "@" in name]
        assert values == [footprint.arena_bytes]


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("eror", "error"),
        ("peak_memory", "peak_memory_bytes"),
        ("arena_bytes@cortex-m-dps", "arena_bytes@cortex-m-dsp"),
        ("arena_bytes@cortex_m", "arena_bytes@cortex-m"),
    ],
)
def test_a_slip_in_a_metric_suggests_the_nearest(config, slip, meant):
    made = config(problem=Problem([minimise(slip, scale=1)]))
    with pytest.raises(ConfigError, match=f"unknown metric '{slip}' in problem: .*; did you mean '{meant}'?"):
        made.check(made.task)


def test_a_slip_in_a_field_or_a_device_suggests_the_nearest(config):
    with pytest.raises(ConfigError, match="SearchConfig has no field 'evaluation'; did you mean 'evaluations'?"):
        config(evaluation=3)
    with pytest.raises(ConfigError, match="unknown device 'edge_tpu_v7'.*; did you mean 'edge_tpu_v6'?"):
        config(devices=("edge_tpu_v7",))
