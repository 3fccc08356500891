"""The identity of candidates: equal network, equal recipe of training, equal epochs."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from search_algorithms import ProblemError
from search_space import SearchSpace, WithRecipe

FITTED = "fitted"
"""The key in `Inherit.how` that is true where another network's weights are fitted to the candidate's network."""


def recipe_of(space: SearchSpace[Any], genotype: Any) -> dict[str, Any]:
    """The recipe of a genotype as plain JSON; empty for a space without any. Raises `ProblemError` if not JSON."""
    if not isinstance(space, WithRecipe):
        return {}
    given = space.recipe(genotype)
    try:
        recipe = json.loads(json.dumps(dict(given), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{type(space).__name__}: recipe gives {given!r}, which is not JSON ({error})") from error
    assert isinstance(recipe, dict)
    return recipe


def counted_epochs(epochs: int | None, how: Mapping[str, Any] | None) -> int | None:
    """The epochs that count for identity; None after a parent's weights, where all candidates have the same."""
    return None if how and how.get(FITTED) else epochs


def identity(graph_hash: str, recipe: Mapping[str, Any], epochs: int | None) -> str:
    """A key that two candidates share only if graph, recipe and epochs agree: the graph's hash, if both are unset."""
    if not recipe and epochs is None:
        return graph_hash
    text = json.dumps([graph_hash, recipe, epochs], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
