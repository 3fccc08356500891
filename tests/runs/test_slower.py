"""A search that lets large maps run in bands."""

import pytest

from edgevolve.data import Digits
from edgevolve.graph import from_json, to_json
from edgevolve.runs.config import ConfigError, SearchConfig
from edgevolve.runs.measure import measure
from resource_models import in_bands
from search_algorithms import at_most, minimise, problem
from search_space import CnnSpace
