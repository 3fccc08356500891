"""Configurations as they were meant when a journal was begun that lacks newer parameters."""

from edgevolve.data import NpzImages
from edgevolve.engine import Train
from edgevolve.runs.as_json import config_json, difference
from edgevolve.runs.earlier import as_begun, parameters
from edgevolve.training import Fit, TrainingSettings
from search_algorithms import NSGA3
from tests.pretend import make_config

OLD = {"type": "TrainingSettings", "epochs": 3}


def test_a_parameter_that_the_journal_lacks_holds_what_was_done_before():
    assert as_begun(TrainingSettings(epochs=3), OLD) == TrainingSettings(epochs=3, clip_norm=None)
    assert as_begun(NpzImages("a.npz"), {"type": "NpzImages", "path": "a.npz"}) == NpzImages(
        "a.npz", normalise=False, channels_first=False
    )


def test_what_is_made_from_a_journal_alone_is_as_it_was_too():
    assert TrainingSettings(**parameters("TrainingSettings", OLD)).clip_norm is None
    assert TrainingSettings(**parameters("TrainingSettings", {**OLD, "clip_norm": 2.0})).clip_norm == 2.0


def test_settings_are_found_inside_of_tasks_and_their_stages():
    task = Train(TrainingSettings(epochs=3), stages=(Fit(TrainingSettings(epochs=3)),))
    known = {"type": "Train", "settings": OLD, "stages": [{"type": "Fit", "settings": OLD}]}
    begun = as_begun(task, known)
    assert begun.settings.clip_norm is None
    assert begun.stages[0].settings.clip_norm is None


def test_what_the_journal_names_or_the_user_chose_stays():
    settings = TrainingSettings(epochs=3)
    assert as_begun(settings, {**OLD, "clip_norm": 1.0}) is settings
    chosen = TrainingSettings(epochs=3, clip_norm=0.5)
    assert as_begun(chosen, OLD) is chosen
    assert as_begun(settings, {"type": "Other"}) is settings
    assert as_begun(settings, None) is settings


def test_a_parameter_that_no_longer_exists_is_no_difference_where_it_had_the_only_value_left():
    config = make_config(algorithm=NSGA3(population=8))
    now = config_json(config, config.task)
    journal = {**now, "algorithm": {**now["algorithm"], "barrier": False}}
    assert not difference(journal, config_json(config, config.task, journal))
    journal["algorithm"]["barrier"] = True
    assert difference(journal, config_json(config, config.task, journal)) == ["algorithm.barrier: True → None"]
