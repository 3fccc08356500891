"""The house itself: what is packaged, registered and shipped."""

import inspect
import tomllib
from pathlib import Path

import pytest

import data
import engine
import graph
import predictors
import resource_models
import runs
import search_algorithms
import search_space
import training
from runs import Run, SearchConfig
from search_space import SearchSpace

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages():
    return {path.parent.name for path in ROOT.glob("*/__init__.py")}


def test_every_package_is_in_the_wheel_and_under_a_layer_contract():
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    assert packages() == listed
    assert "tests" not in listed | {"docs", "benchmarks"} & listed
    sources = {name for c in PROJECT["tool"]["importlinter"]["contracts"] for name in c["source_modules"]}
    assert listed - sources == {"configs"}


@pytest.mark.parametrize(
    "package",
    [data, engine, graph, predictors, resource_models, runs, search_algorithms, search_space, training],
    ids=str,
)
def test_what_a_package_exports_exists_and_is_documented(package):
    assert package.__doc__
    for name in package.__all__:
        assert hasattr(package, name), name
        if inspect.isclass(getattr(package, name)) or inspect.isfunction(getattr(package, name)):
            assert getattr(package, name).__doc__, name


def test_no_file_is_named_for_nothing():
    names = {path.stem for path in ROOT.glob("*/*.py")}
    assert not names & {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_registries_name_classes_and_every_entry_keeps_its_protocol():
    for name, kind in search_algorithms.STRATEGIES.items():
        assert name == kind.__name__
        assert isinstance(kind(), search_algorithms.Strategy)
    for kind in search_space.SPACES.values():
        assert isinstance(kind((8, 8, 1), 10), SearchSpace)


def test_every_packaged_configuration_that_needs_no_download_is_a_search(monkeypatch):
    from driver import load_config

    for path in sorted((ROOT / "configs").glob("[a-z]*.py")):
        config = load_config(str(path))
        assert isinstance(config, SearchConfig)
        config.check(engine.task_of(config))


def test_constraints_name_versions_and_nothing_else():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, equals, version = line.partition("==")
        assert name and equals and version, line
        assert "/" not in line and "@" not in line


def test_a_front_begins_another_search(config, run_search):
    first = run_search(config(evaluations=10), "first")
    again = run_search(config(start=Run.open(first.folder).front_genotypes(), evaluations=12), "again")
    assert [r.genotype for r in again.records.values()][: len(first.front)] == list(first.front_genotypes())
