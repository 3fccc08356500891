"""Every registered search space passes the kit that users have for theirs."""

import pickle

import pytest

from edgevolve.testing import SPACE_CHECKS, check_space
from search_space import SPACES, CnnSpace, MlpSpace, Recipes

SHAPES = [(8, 8, 1), (32, 32, 3), (49, 40, 1), (1, 1, 1), (5, 40, 2)]
CASES = [
    pytest.param(SPACES[name](shape, classes), id=f"{name}-{'x'.join(map(str, shape))}-{classes}")
    for name in SPACES
    for shape, classes in zip(SHAPES, [10, 10, 12, 2, 3], strict=True)
]
CASES += [pytest.param(SPACES[name]((48, 1, 3), 4), id=f"{name}-signal") for name in ("cnn", "mobile")]

GENES = {"sparsity": (0, 0.25, 0.5, 0.75), "bits": (8, 4), "schedule": ("cosine", "constant"), "flip": (True, False)}
RECIPES = [
    pytest.param(Recipes(MlpSpace((8, 8, 1), 10), **GENES), id="recipes-mlp"),
    pytest.param(Recipes(Recipes(CnnSpace((8, 8, 1), 2), bits=(8, 4)), sparsity=(0.5, 0)), id="recipes-recipes-cnn"),
    pytest.param(Recipes(MlpSpace((4,), outputs=2), sparsity=(0.5,)), id="recipes-one-option"),
]


@pytest.mark.parametrize("space", [*CASES, *RECIPES])
@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
def test_of_a_space(check, space):
    for seed in range(SPACE_CHECKS[check]):
        check(space, seed)


@pytest.mark.parametrize("space", CASES)
def test_a_space_and_its_genotypes_travel_to_workers(space):
    assert pickle.loads(pickle.dumps(space)) == space == type(space)(space.input_shape, space.classes)


@pytest.mark.parametrize("space", RECIPES)
def test_a_space_of_recipes_travels_to_workers(space):
    assert pickle.loads(pickle.dumps(space)) == space


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize(
    ("shape", "classes"), [((), 2), ((0, 8, 1), 2), ((8, 8, 1), 0), ([8, 8, 1], 2), ((8.0, 8, 1), 2)]
)
def test_impossible_inputs_are_refused_when_the_space_is_made(name, shape, classes):
    with pytest.raises(ValueError, match="input"):
        SPACES[name](shape, classes)


class TwoLines(MlpSpace):
    """Keeps every promise but one."""

    def describe(self, genotype):
        return super().describe(genotype) + "\n"


def test_the_kit_finds_the_one_promise_that_is_broken():
    broken = set()
    for check in SPACE_CHECKS:
        try:
            check(TwoLines((8, 8, 1), 10), 0)
        except AssertionError:
            broken.add(check.__name__)
    assert broken == {"words_are_one_line_and_name_every_change"}
    with pytest.raises(AssertionError):
        check_space(TwoLines((8, 8, 1), 10))
