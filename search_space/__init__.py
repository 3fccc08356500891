"""Search spaces: genotypes to sample, mutate, cross over and encode, each with its network.

To add a space, write a genome (`search_space.genome`) and a function that builds the `Graph`, in one new file, and
list the space in `SPACES`; or pass your own object with the methods of `SearchSpace`.
"""

from search_space.cells import CellSpace
from search_space.cnn import CnnSpace
from search_space.declared import DeclaredSpace
from search_space.mlp import MlpSpace
from search_space.mobile import MobileSpace
from search_space.nasbench201 import NasBench201Space
from search_space.recipes import Genes, Recipes, Trained, inherited_by, networks_of
from search_space.space import (
    DegenerateSpaceError,
    Elastic,
    GenotypeError,
    Json,
    SearchSpace,
    WithFrontEnd,
    WithRecipe,
)

__all__ = [
    "SPACES",
    "CellSpace",
    "CnnSpace",
    "DeclaredSpace",
    "DegenerateSpaceError",
    "Elastic",
    "Genes",
    "GenotypeError",
    "Json",
    "MlpSpace",
    "MobileSpace",
    "NasBench201Space",
    "Recipes",
    "SearchSpace",
    "Trained",
    "WithFrontEnd",
    "WithRecipe",
    "inherited_by",
    "networks_of",
]

SPACES: dict[str, type] = {
    "cells": CellSpace,
    "cnn": CnnSpace,
    "mlp": MlpSpace,
    "mobile": MobileSpace,
    "nasbench201": NasBench201Space,
}
"""The spaces by name; `SPACES[name](input_shape, classes)` makes one."""
