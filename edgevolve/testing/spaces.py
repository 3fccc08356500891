"""What a search space promises. Each check takes the space and a seed; a broken promise is an `AssertionError`."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgevolve.graph import graph_hash
from edgevolve.runs.phenotype import identity, recipe_of
from search_space import GenotypeError, SearchSpace, WithFrontEnd

Space = SearchSpace[Any]

_HOSTILE: list[Any] = [True, False, None, -1, 0, 1.0, 2.5, 1e308, math.nan, math.inf, 10**5000, "", "7", "x" * 10**6]
_HOSTILE += [[], {}, [[[[[[]]]]]], {"type": []}, [0] * 10**5, {"type": "conv"}, {str(i): i for i in range(1000)}]


def check_space(space: Space) -> None:
    """Run every check with its number of seeds."""
    for check, seeds in SPACE_CHECKS.items():
        for seed in range(seeds):
            check(space, seed)


def it_keeps_the_protocol_and_cannot_be_changed(space: Space, seed: int) -> None:
    """The space is a `SearchSpace`, hashable and frozen."""
    assert isinstance(space, SearchSpace)
    assert hash(space) == hash(copy.deepcopy(space))
    for name in ("input_shape", "classes"):
        try:
            setattr(space, name, getattr(space, name))
        except AttributeError:
            continue
        raise AssertionError(f"{name} can be assigned: a space must be frozen")


def equal_seeds_give_equal_results(space: Space, seed: int) -> None:
    """All randomness comes from the generator."""

    def everything(rng: np.random.Generator) -> Any:
        a, b = space.sample(rng), space.sample(rng)
        return a, b, space.mutate(a, rng), space.crossover(a, b, rng), list(space.neighbours(b, rng)), rng.random()

    assert everything(np.random.default_rng(seed)) == everything(np.random.default_rng(seed))


def a_graph_takes_the_input_and_gives_the_outputs(space: Space, seed: int) -> None:
    """A graph has one input of the space's shape, one row of outputs and no unread operator, and is always the same."""
    genotype, _ = _drawn(space, seed)
    graph = space.graph(genotype)
    taken = space.network_shape(genotype) if isinstance(space, WithFrontEnd) else space.input_shape
    assert [x.shape for x in graph.inputs] == [(1, *taken)]
    outputs = getattr(space, "outputs", None) if space.classes is None else 1 if space.classes == 2 else space.classes
    assert [y.shape for y in graph.outputs] == [(1, outputs)]
    assert space.graph(genotype) == graph
    read = {x.name for node in graph.nodes for x in node.inputs} | {y.name for y in graph.outputs}
    assert all(node.output.name in read for node in graph.nodes)


def a_recipe_is_json_and_follows_from_the_genotype(space: Space, seed: int) -> None:
    """A recipe is JSON and always the same; that of a space without recipes is empty."""
    genotype = space.sample(np.random.default_rng(seed))
    recipe = recipe_of(space, genotype)
    assert json.loads(json.dumps(recipe, allow_nan=False)) == recipe == recipe_of(space, genotype)


def a_mutation_has_another_phenotype_and_leaves_its_parent_as_it_was(space: Space, seed: int) -> None:
    """A child differs in its network or in its recipe; the parent is not edited."""
    parent, rng = _drawn(space, seed)
    before = json.dumps(space.to_json(parent))
    twin = space.from_json(json.loads(before))
    child = space.mutate(parent, rng)
    assert _phenotype(space, child) != _phenotype(space, parent)
    assert parent == twin and json.dumps(space.to_json(parent)) == before
    assert space.from_json(space.to_json(child)) == child


def every_neighbour_is_in_bounds_builds_and_differs_from_its_parent(space: Space, seed: int) -> None:
    """Neighbours differ from their parent, are read back from JSON and build graphs."""
    parent, rng = _drawn(space, seed)
    children = list(space.neighbours(parent, rng))
    assert children
    for child in children:
        assert child != parent
        assert space.from_json(space.to_json(child)) == child
        space.graph(child)


def a_mutation_is_a_neighbour(space: Space, seed: int) -> None:
    """`mutate` gives one of the genotypes of `neighbours`."""
    parent, rng = _drawn(space, seed)
    child = space.mutate(parent, copy.deepcopy(rng))
    assert child in list(space.neighbours(parent, rng))


def a_crossover_is_in_bounds_builds_and_edits_no_parent(space: Space, seed: int) -> None:
    """A child is a genotype of the space, and equals two equal parents; parents are not edited."""
    a, rng = _drawn(space, seed)
    b = space.sample(rng)
    before = space.to_json(a), space.to_json(b)
    child = space.crossover(a, b, rng)
    assert space.from_json(space.to_json(child)) == child
    assert (space.to_json(a), space.to_json(b)) == before
    assert space.crossover(a, a, rng) == a
    space.graph(child)


def genotypes_survive_json_exactly(space: Space, seed: int) -> None:
    """`from_json` restores the genotype that `to_json` wrote."""
    genotype, _ = _drawn(space, seed)
    text = json.dumps(space.to_json(genotype), allow_nan=False)
    back = space.from_json(json.loads(text))
    assert back == genotype and hash(back) == hash(genotype)
    assert json.dumps(space.to_json(back)) == text


def encodings_have_one_length_lie_in_the_unit_cube_and_tell_genotypes_apart(space: Space, seed: int) -> None:
    """Encodings are float64 rows of one length within 0 to 1, equal only for equal genotypes."""
    genotype, rng = _drawn(space, seed)
    row = space.encode(genotype)
    assert row.dtype == np.float64 and row.ndim == 1
    for other in [space.sample(rng), *space.neighbours(genotype, rng)]:
        x = space.encode(other)
        assert x.shape == row.shape
        assert x.min() >= 0 and x.max() <= 1
        assert np.array_equal(x, row) == (other == genotype)


def words_are_one_line_and_name_every_change(space: Space, seed: int) -> None:
    """`describe` and `difference` give one line of words, and `difference` names each change."""
    genotype, rng = _drawn(space, seed)
    assert space.describe(genotype) and "\n" not in space.describe(genotype)
    assert space.difference(genotype, genotype) == "no change"
    for child in space.neighbours(genotype, rng):
        words = space.difference(genotype, child)
        assert words != "no change" and "\n" not in words and len(words) < 120
    assert len(space.difference(genotype, space.sample(rng))) < 200


def hostile_json_is_refused_with_its_path_or_read_exactly(space: Space, seed: int) -> None:
    """`from_json` raises only `GenotypeError`, with the path of the fault, or reads the value exactly."""
    genotype, rng = _drawn(space, seed)
    value = space.to_json(genotype)
    paths = list(_places(value))
    path = paths[int(rng.integers(len(paths)))]
    wrong = _replaced(value, path, _HOSTILE[int(rng.integers(len(_HOSTILE)))])
    try:
        read = space.to_json(space.from_json(wrong))
    except GenotypeError as error:
        assert str(error).startswith("genotype")
        assert ": " in str(error) and len(str(error)) < 300
        assert all(str(key) in str(error) for key in path if isinstance(key, str))
    else:
        assert json.dumps(read, sort_keys=True) == json.dumps(wrong, sort_keys=True)


def missing_and_extra_keys_are_refused_wherever_they_are(space: Space, seed: int) -> None:
    """`from_json` refuses an object of the JSON form with a missing or an extra key."""
    value = space.to_json(_drawn(space, seed)[0])
    for path in _places(value):
        part: Any = value
        for key in path:
            part = part[key]
        if isinstance(part, dict):
            _refused(space, _replaced(value, (*path, "colour"), 1), "unknown key 'colour'")
            for key in part:
                without = {k: v for k, v in part.items() if k != key}
                _refused(space, _replaced(value, path, without), f"{key!r} is missing")


SPACE_CHECKS: dict[Callable[[Space, int], None], int] = {
    it_keeps_the_protocol_and_cannot_be_changed: 1,
    equal_seeds_give_equal_results: 15,
    a_graph_takes_the_input_and_gives_the_outputs: 30,
    a_recipe_is_json_and_follows_from_the_genotype: 5,
    a_mutation_has_another_phenotype_and_leaves_its_parent_as_it_was: 30,
    every_neighbour_is_in_bounds_builds_and_differs_from_its_parent: 6,
    a_mutation_is_a_neighbour: 20,
    a_crossover_is_in_bounds_builds_and_edits_no_parent: 30,
    genotypes_survive_json_exactly: 30,
    encodings_have_one_length_lie_in_the_unit_cube_and_tell_genotypes_apart: 10,
    words_are_one_line_and_name_every_change: 10,
    hostile_json_is_refused_with_its_path_or_read_exactly: 60,
    missing_and_extra_keys_are_refused_wherever_they_are: 1,
}
"""Each check with its number of seeds."""


def _phenotype(space: Space, genotype: Any) -> str:
    return identity(graph_hash(space.graph(genotype)), recipe_of(space, genotype), None)


def _refused(space: Space, value: Any, words: str) -> None:
    try:
        space.from_json(value)
    except GenotypeError as error:
        assert words in str(error)
    else:
        raise AssertionError(f"accepted, where {words} was to be said")


def _drawn(space: Space, seed: int) -> tuple[Any, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return space.sample(rng), rng


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from _places(part, (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    root = copy.deepcopy(value)
    part = root
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = new
    return root
