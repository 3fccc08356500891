"""The work of bands that multiply-accumulates do not show: copies of pieces of maps, and more operators."""

from typing import NamedTuple

from resource_models.bands import SLICE
from resource_models.cut_network import Choice


class Copies(NamedTuple):
    """Bytes that the slices and concatenations of bands write, and the number of operators that bands add."""

    sliced_bytes: int
    joined_bytes: int
    operators: int


def copies(choice: Choice) -> Copies:
    """The copies that a plan adds; slices and concatenations of the uncut network do not count."""
    model, origins = choice.banded.model, choice.banded.origins
    added = [operator for operator, origin in zip(model.operators, origins, strict=True) if origin is None]
    sliced = sum(operator.outputs[0].size_bytes for operator in added if operator.name == SLICE)
    total = sum(operator.outputs[0].size_bytes for operator in added)
    before = len({origin for origin in origins if origin is not None})
    return Copies(sliced, total - sliced, len(model.operators) - before)
