"""The house itself: what is packaged, registered and shipped."""

import inspect
import re
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

import predictors
import resource_models
import search_algorithms
import search_space
from edgevolve import data, engine, graph, runs, training
from edgevolve.runs import Run, SearchConfig
from search_space import SearchSpace

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = ("configs", "edgevolve", "predictors", "resource_models", "search_algorithms", "search_space")
FILES = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py"))


def test_every_package_is_in_the_wheel_and_has_its_place_in_the_layers():
    patterns = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {pattern.rstrip("*") for pattern in patterns} == set(OURS)
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(OURS)
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {f"edgevolve.{path.stem}" for path in (ROOT / "edgevolve").glob("[a-z]*.py")}
    rooms |= {f"edgevolve.{path.parent.name}" for path in (ROOT / "edgevolve").glob("*/__init__.py")}
    assert placed == rooms | set(OURS) - {"edgevolve"}


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
    names = {path.stem for path in FILES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_no_file_name_occurs_twice():
    names = Counter(path.name for path in FILES if path.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []


_NAMES_ALONE = re.compile(r"(import|from) .*|[\w.]+(: \w+)?,|\W*|#.*")
"""Lines that say nothing: imports, names in a list or table, punctuation, comments."""


def test_no_block_of_eight_equal_lines_is_left():
    """Outside tests, and outside `configs`, each of which is a whole example."""
    places = defaultdict(list)
    for path in [*FILES, *(ROOT / "benchmarks").rglob("*.py")]:
        if path.is_relative_to(ROOT / "configs"):
            continue
        lines = [(number, line.strip()) for number, line in enumerate(path.read_text().splitlines(), 1)]
        lines = [(number, line) for number, line in lines if not _NAMES_ALONE.fullmatch(line)]
        for first in range(len(lines) - 7):
            block = lines[first : first + 8]
            places[tuple(line for _, line in block)].append(f"{path.relative_to(ROOT)}:{block[0][0]}")
    assert [where for where in places.values() if len(where) > 1] == []


def test_registries_name_classes_and_every_entry_keeps_its_protocol():
    for name, kind in search_algorithms.STRATEGIES.items():
        assert name == kind.__name__
        assert isinstance(kind(), search_algorithms.Strategy)
    for kind in search_space.SPACES.values():
        assert isinstance(kind((8, 8, 1), 10), SearchSpace)


def test_every_packaged_configuration_that_needs_no_download_is_a_search(monkeypatch, tmp_path):
    from driver import load_config

    rng = np.random.default_rng(0)
    signals = {"x": rng.standard_normal((90, 64, 3)), "y": np.arange(90) % 3, "subject": np.arange(90) // 10}
    np.savez(tmp_path / "har.npz", **signals)
    monkeypatch.setenv("HAR", str(tmp_path / "har.npz"))
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
