"""The JSON form of users' own objects, and what a resume makes of it."""

import json
import threading
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import pytest
from pretend import Pretend

from edgevolve.runs import ConfigError, config_json, difference


class Plain:
    """A task that is no dataclass."""

    metric_names = ("error",)

    def __init__(self, rate=0.1, **more):
        self._rate = rate
        self.__dict__.update(more)

    def prepare(self):
        pass

    def __call__(self, job, splits):
        return Pretend()(job, splits)

    @cached_property
    def computed(self):
        return object()


def as_json(config, task):
    return json.loads(json.dumps(config_json(config(task=task), task)))["task"]


def test_the_parameters_of_an_object_that_is_no_dataclass_are_journaled(config):
    written = as_json(config, Plain(0.3, layers=[1, {2}], table=np.arange(3), when=Pretend(4)))
    assert (written["type"], written["module"], written["_rate"]) == ("Plain", __name__, 0.3)
    assert written["layers"] == [1, [2]]
    assert written["when"]["fails_every"] == 4
    assert written["table"] != as_json(config, Plain(table=np.arange(1, 4)))["table"]


@pytest.mark.parametrize(
    "changed",
    [Plain(0.2), Plain(act=partial(max, 3)), Plain(key=b"b"), Plain(when=Pretend(5))],
    ids=("rate", "act", "key", "when"),
)
def test_a_search_is_not_resumed_with_other_parameters_of_an_object(config, run_search, changed):
    begun = Plain(act=partial(max, 2), key=b"a", when=Pretend(4))
    full = {"act": partial(max, 2), "key": b"a", "when": Pretend(4), "_rate": 0.1}
    run_search(config(task=begun, evaluations=2))
    run_search(config(task=Plain(**full), evaluations=3), resume=True)
    with pytest.raises(ConfigError, match="the configuration changed since the run began: task"):
        run_search(config(task=Plain(**{**full, **vars(changed)}), evaluations=4), resume=True)


def test_two_classes_of_one_name_are_two(config):
    elsewhere = type("Plain", (Plain,), {"__module__": "elsewhere"})
    before, after = ({"task": as_json(config, task)} for task in (Plain(), elsewhere()))
    assert difference(before, after) == [f"task.module: {__name__!r} → 'elsewhere'"]


def test_a_configuration_has_the_same_classes_as_a_script_and_on_the_command_line(config):
    both = [type("Plain", (Plain,), {"__module__": name})() for name in ("__main__", "edgevolve_config")]
    first, second = (as_json(config, task) for task in both)
    assert first == second


@pytest.mark.parametrize(
    "odd", [threading.Lock(), np.random.default_rng(0), iter([])], ids=lambda odd: type(odd).__name__
)
def test_what_has_no_json_form_is_refused_unless_its_class_gives_one(config, odd):
    with pytest.raises(ConfigError, match=r"task\.Plain\.odd: a \w+ has no JSON form.* as_json\(\)"):
        as_json(config, Plain(odd=odd))

    class Telling(Plain):
        def as_json(self):
            return {"rate": self._rate}

    assert as_json(config, Telling(0.5, odd=odd))["rate"] == 0.5


def test_an_object_that_holds_itself_is_refused(config):
    ring = Plain()
    ring.next = ring
    with pytest.raises(ConfigError, match="refers to itself"):
        as_json(config, ring)


def test_what_was_computed_and_cached_is_no_parameter(config):
    task = Plain()
    fresh = as_json(config, task)
    assert task.computed
    assert as_json(config, task) == fresh


@dataclass(frozen=True)
class Older:
    """A task as it was when a search began; `Newer` is what became of it."""

    metric_names = ("error",)
    rate: float = 0.1

    def prepare(self):
        pass

    def __call__(self, job, splits):
        return Pretend()(job, splits)


@dataclass(frozen=True)
class Newer(Older):
    inner: Pretend = field(default_factory=Pretend)
    extra: dict = field(default_factory=dict)


Newer.__qualname__ = "Older"


def test_a_new_parameter_that_holds_its_default_is_no_difference(config, run_search):
    run_search(config(task=Older(), evaluations=2))
    run = run_search(config(task=Newer(), evaluations=3), resume=True)
    assert run.evaluations == 3


def test_a_new_parameter_that_holds_anything_else_is_a_difference(config, run_search):
    run_search(config(task=Older(), evaluations=2))
    with pytest.raises(ConfigError, match=r"task\.inner: None → .*7"):
        run_search(config(task=Newer(inner=Pretend(7)), evaluations=3), resume=True)


def test_a_parameter_that_is_gone_is_a_difference(config, run_search):
    run_search(config(task=Newer(), evaluations=2))
    with pytest.raises(ConfigError, match=r"task\.inner: .* → None"):
        run_search(config(task=Older(), evaluations=3), resume=True)
