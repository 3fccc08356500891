"""The names that users import from `edgevolve`: all there, all documented, loaded only when asked for."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgevolve

FACADE = Path(edgevolve.__file__)
SURFACE = """
Quantise Distil Teach
AgingEvolution AudioFolder BayesianOptimisation Classes CnnSpace Completed ConfigError DataError DataSet DeclaredSpace
Device DevicePredictor Diabetes Digits DigitsAnomalies EdgeTPUv6Predictor Estimated Failed Features Graph GraphBuilder
GridSearch ImageFolder Inherit Inline Itself Job JournalError KerasDataset LocalSearch Mel Metric MlpSpace MobileSpace
NSGA3 NasBench201Space Needs NpzImages PredictorError Problem ProblemError Progress Prune REINFORCE RandomSearch Recipes
Record Run Screened SearchConfig SearchSpace SensorFolder SensorTable Split Splits Standardise SuccessiveHalving
SurrogateEvolution Table Task TrainingSettings Values VirtualTime at_least at_most hold_out maximise minimise search
target with_front_end CellSpace Curtailed DARTS Derived ProxylessNAS TiNpu
Micro Resize Spectrum
Inherited SharedFrom Supernet
FrontEndChoices CrossValidate
"""
"""What users rely on: a name is added here on purpose, and never taken away."""


def test_the_surface_is_the_one_on_record():
    assert sorted(edgevolve.__all__) == sorted(SURFACE.split())


@pytest.mark.parametrize("name", sorted(SURFACE.split()))
def test_every_name_is_there_and_documented(name):
    assert getattr(edgevolve, name).__doc__


def test_the_api_reference_has_every_name_once():
    pages = (FACADE.parent.parent / "docs/reference").glob("*.md")
    names = re.findall(r"^::: edgevolve\.(\w+)$", "".join(page.read_text() for page in pages), re.M)
    assert sorted(names) == sorted(SURFACE.split())


def test_type_checkers_see_the_same_names_in_the_same_places():
    (block,) = (node for node in ast.parse(FACADE.read_text()).body if isinstance(node, ast.If))
    seen = {alias.name: line.module for line in block.body for alias in line.names}
    assert seen == edgevolve._HOMES


def test_an_unknown_name_is_an_import_error_that_names_it():
    with pytest.raises(ImportError, match="AgingEvolutoin"):
        exec("from edgevolve import AgingEvolutoin")  # a statement, as a user writes it


def test_the_names_of_a_configuration_load_neither_tensorflow_nor_ray():
    names = "Digits, CnnSpace, NSGA3, Problem, SearchConfig, TrainingSettings, at_most, minimise"
    script = (
        f"import sys; from edgevolve import {names}; assert not {{'tensorflow', 'keras', 'ray'}} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0
