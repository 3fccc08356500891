"""The parts of a run: its configuration, its events, its journal. It loads neither Ray nor TensorFlow."""

from edgevolve.runs.as_json import config_json, difference
from edgevolve.runs.config import ON_RESUME, ConfigError, SearchConfig
from edgevolve.runs.front_end_choices import FrontEndChoices
from edgevolve.runs.journal import EmptyJournalError, Journal, JournalError, create, journal_path, run_names
from edgevolve.runs.measure import Measurement, measure
from edgevolve.runs.pick import PICKS
from edgevolve.runs.record import Record
from edgevolve.runs.run import Run
from edgevolve.runs.task import DeviceMemory, Job, MetricProvider, Needs, Resources, Task

__all__ = [
    "ON_RESUME",
    "PICKS",
    "ConfigError",
    "DeviceMemory",
    "EmptyJournalError",
    "FrontEndChoices",
    "Job",
    "Journal",
    "JournalError",
    "Measurement",
    "MetricProvider",
    "Needs",
    "Record",
    "Resources",
    "Run",
    "SearchConfig",
    "Task",
    "config_json",
    "create",
    "difference",
    "journal_path",
    "measure",
    "run_names",
]
