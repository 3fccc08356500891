"""What every registered search space promises, whatever its genome."""

import copy
import json
import math
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.graph import graph_hash
from search_space import SPACES, GenotypeError, SearchSpace

SHAPES = [(8, 8, 1), (32, 32, 3), (49, 40, 1), (1, 1, 1), (5, 40, 2)]
CASES = [
    pytest.param(SPACES[name](shape, classes), id=f"{name}-{'x'.join(map(str, shape))}-{classes}")
    for name in SPACES
    for shape, classes in zip(SHAPES, [10, 10, 12, 2, 3], strict=True)
]
HOSTILE = [True, False, None, -1, 0, 1.0, 2.5, 1e308, math.nan, math.inf, 10**5000, "", "7", "x" * 10**6]
HOSTILE += [[], {}, [[[[[[]]]]]], {"type": []}, [0] * 10**5, {"type": "conv"}, {str(i): i for i in range(1000)}]

any_space = pytest.mark.parametrize("space", CASES)
seeds = st.integers(0, 2**32 - 1)


def examples(number: int) -> Any:
    return settings(max_examples=number, deadline=None, derandomize=True)


def drawn(space: Any, seed: int) -> tuple[Any, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return space.sample(rng), rng


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    root = copy.deepcopy(value)
    part = root
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = new
    return root


@any_space
def test_a_space_satisfies_the_protocol_is_frozen_and_hashable(space):
    assert isinstance(space, SearchSpace)
    assert hash(space) == hash(type(space)(space.input_shape, space.classes))
    with pytest.raises(AttributeError):
        space.classes = 3
    genotype, _ = drawn(space, 0)
    assert pickle.loads(pickle.dumps((space, genotype))) == (space, genotype)


@any_space
@examples(15)
@given(seed=seeds)
def test_equal_seeds_give_equal_results(space, seed):
    def everything(rng):
        a, b = space.sample(rng), space.sample(rng)
        return a, b, space.mutate(a, rng), space.crossover(a, b, rng), list(space.neighbours(b, rng)), rng.random()

    assert everything(np.random.default_rng(seed)) == everything(np.random.default_rng(seed))


@any_space
@examples(30)
@given(seed=seeds)
def test_a_graph_takes_the_input_and_gives_the_logits(space, seed):
    genotype, _ = drawn(space, seed)
    graph = space.graph(genotype)
    assert [x.shape for x in graph.inputs] == [(1, *space.input_shape)]
    assert [y.shape for y in graph.outputs] == [(1, 1 if space.classes == 2 else space.classes)]
    assert space.graph(genotype) == graph
    read = {x.name for node in graph.nodes for x in node.inputs} | {y.name for y in graph.outputs}
    assert all(node.output.name in read for node in graph.nodes)


@any_space
@examples(30)
@given(seed=seeds)
def test_a_mutation_has_another_phenotype_and_leaves_its_parent_as_it_was(space, seed):
    parent, rng = drawn(space, seed)
    before = json.dumps(space.to_json(parent))
    twin = space.from_json(json.loads(before))
    child = space.mutate(parent, rng)
    assert graph_hash(space.graph(child)) != graph_hash(space.graph(parent))
    assert parent == twin and json.dumps(space.to_json(parent)) == before
    assert space.from_json(space.to_json(child)) == child


@any_space
@examples(6)
@given(seed=seeds)
def test_every_neighbour_is_in_bounds_builds_and_differs_from_its_parent(space, seed):
    parent, rng = drawn(space, seed)
    children = list(space.neighbours(parent, rng))
    assert children
    for child in children:
        assert child != parent
        assert space.from_json(space.to_json(child)) == child
        space.graph(child)


@any_space
@examples(20)
@given(seed=seeds)
def test_a_mutation_is_a_neighbour(space, seed):
    parent, rng = drawn(space, seed)
    child = space.mutate(parent, copy.deepcopy(rng))
    assert child in list(space.neighbours(parent, rng))


@any_space
@examples(30)
@given(seed=seeds)
def test_a_crossover_is_in_bounds_builds_and_edits_no_parent(space, seed):
    a, rng = drawn(space, seed)
    b = space.sample(rng)
    before = space.to_json(a), space.to_json(b)
    child = space.crossover(a, b, rng)
    assert space.from_json(space.to_json(child)) == child
    assert (space.to_json(a), space.to_json(b)) == before
    assert space.crossover(a, a, rng) == a
    space.graph(child)


@any_space
@examples(30)
@given(seed=seeds)
def test_genotypes_survive_json_exactly(space, seed):
    genotype, _ = drawn(space, seed)
    text = json.dumps(space.to_json(genotype), allow_nan=False)
    back = space.from_json(json.loads(text))
    assert back == genotype and hash(back) == hash(genotype)
    assert json.dumps(space.to_json(back)) == text


@any_space
@examples(10)
@given(seed=seeds)
def test_encodings_have_one_length_lie_in_the_unit_cube_and_tell_genotypes_apart(space, seed):
    genotype, rng = drawn(space, seed)
    row = space.encode(genotype)
    assert row.dtype == np.float64 and row.ndim == 1
    for other in [space.sample(rng), *space.neighbours(genotype, rng)]:
        x = space.encode(other)
        assert x.shape == row.shape
        assert x.min() >= 0 and x.max() <= 1
        assert np.array_equal(x, row) == (other == genotype)


@any_space
@examples(10)
@given(seed=seeds)
def test_words_are_one_line_and_name_every_change(space, seed):
    genotype, rng = drawn(space, seed)
    assert space.describe(genotype) and "\n" not in space.describe(genotype)
    assert space.difference(genotype, genotype) == "no change"
    for child in space.neighbours(genotype, rng):
        words = space.difference(genotype, child)
        assert words != "no change" and "\n" not in words and len(words) < 120
    assert len(space.difference(genotype, space.sample(rng))) < 200


@any_space
@examples(60)
@given(data=st.data(), seed=seeds)
def test_hostile_json_is_refused_with_its_path_or_read_exactly(space, data, seed):
    value = space.to_json(drawn(space, seed)[0])
    path = data.draw(st.sampled_from(list(places(value))))
    wrong = replaced(value, path, data.draw(st.sampled_from(HOSTILE)))
    try:
        read = space.to_json(space.from_json(wrong))
    except GenotypeError as error:
        assert str(error).startswith("genotype")
        assert ": " in str(error) and len(str(error)) < 300
        assert all(str(key) in str(error) for key in path if isinstance(key, str))
    else:
        assert json.dumps(read, sort_keys=True) == json.dumps(wrong, sort_keys=True)


@any_space
def test_missing_and_extra_keys_are_refused_wherever_they_are(space):
    value = space.to_json(drawn(space, 0)[0])
    for path in places(value):
        part = value
        for key in path:
            part = part[key]
        if isinstance(part, dict):
            with pytest.raises(GenotypeError, match="unknown key 'colour'"):
                space.from_json(replaced(value, (*path, "colour"), 1))
            for key in part:
                with pytest.raises(GenotypeError, match=f"{key!r} is missing"):
                    space.from_json(replaced(value, path, {k: v for k, v in part.items() if k != key}))


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize(
    ("shape", "classes"), [((), 2), ((0, 8, 1), 2), ((8, 8, 1), 0), ([8, 8, 1], 2), ((8.0, 8, 1), 2)]
)
def test_impossible_inputs_are_refused_when_the_space_is_made(name, shape, classes):
    with pytest.raises(ValueError, match="input"):
        SPACES[name](shape, classes)
