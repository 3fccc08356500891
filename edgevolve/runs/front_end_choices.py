"""Genes of a front end, searched together with those of the network."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import product
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator

from edgevolve.data import DataError, Fittable
from edgevolve.data.chosen import FRONT_END, FRONT_ENDS, as_recipe, needs, read_shape
from search_space import DeclaredSpace, Genes, GenotypeError, Recipes, SearchSpace, Trained
from search_space.recipes import Value, Values
from search_space.space import Json

G = TypeVar("G")

_MOST = 5_000
"""The most combinations of options that are checked."""

_NYQUIST_SHARE = 0.475
"""The upper end of the bands at a lower rate, as a share of the rate."""


@dataclass(frozen=True, slots=True, init=False)
class FrontEndGenes(Genes):
    """Choices of a front end, of which some exclude others: only combinations that can be computed are drawn."""

    bases: tuple[tuple[str, Fittable], ...]
    valid: tuple[Values, ...]

    def __init__(self, bases: tuple[tuple[str, Fittable], ...], options: Mapping[str, tuple[Value, ...]]) -> None:
        """`bases` are (name, front end); with several, the gene `kind` chooses one by name."""
        kinds = {"kind": tuple(name for name, _ in bases)} if len(bases) > 1 else {}
        Genes.__init__(self, **{**kinds, **options})
        object.__setattr__(self, "bases", bases)
        number = math.prod(len(choice.options) for _, choice in self.choices)
        if number > _MOST:
            raise ValueError(f"FrontEndChoices: {number} combinations of options; give up to {_MOST}")
        every = product(*(choice.options for _, choice in self.choices))
        possible = tuple(values for values in every if values == self.usual(values) and self._reason(values) is None)
        if not possible:
            first = tuple(choice.options[0] for _, choice in self.choices)
            raise ValueError(f"FrontEndChoices: no combination can be computed: {self._reason(self.usual(first))}")
        object.__setattr__(self, "valid", possible)

    def front_end(self, values: Values) -> Fittable:
        """The front end with these genes. Raises `DataError` where it cannot be computed."""
        chosen = {name: value for (name, _), value in zip(self.choices, values, strict=True)}
        base: Any = dict(self.bases)[str(chosen.pop("kind", self.bases[0][0]))]
        return _made(base, tuple((name, value) for name, value in chosen.items() if name in _genes_of(base)))

    def usual(self, values: Values) -> Values:
        """The genes with the first option for each gene that this kind of front end does not have."""
        kind = dict(zip((name for name, _ in self.choices), values, strict=True)).get("kind", self.bases[0][0])
        own = {"kind", *_genes_of(dict(self.bases)[str(kind)])}
        pairs = zip(self.choices, values, strict=True)
        return tuple(value if name in own else choice.options[0] for (name, choice), value in pairs)

    def _reason(self, values: Values) -> str | None:
        try:
            self.front_end(values)
        except DataError as error:
            return str(error)
        return None

    def sample(self, rng: Generator) -> Values:
        """A combination that can be computed, uniformly at random."""
        return self.valid[int(rng.integers(len(self.valid)))]

    def neighbours(self, value: Values, rng: Generator) -> Iterator[Values]:
        """The combinations with one gene changed by one step that can be computed."""
        seen = {value}
        for other in Genes.neighbours(self, value, rng):
            usual = self.usual(other)
            if usual in self.valid and usual not in seen:
                seen.add(usual)
                yield usual

    def crossover(self, a: Values, b: Values, rng: Generator) -> Values:
        """Mix gene by gene; return a parent's genes where the mix cannot be computed."""
        child = self.usual(Genes.crossover(self, a, b, rng))
        return child if child in self.valid else (a, b)[int(rng.integers(2))]

    def from_json(self, value: object, path: str) -> Values:
        """Read an object with exactly these keys."""
        values = Genes.from_json(self, value, path)
        if values not in self.valid:
            reason = self._reason(values) or "holds options of genes that this kind does not have"
            raise GenotypeError(f"{path}: {reason}")
        return values


@dataclass(frozen=True, init=False)
class FrontEndChoices(Recipes[G]):
    """The networks of `space` on the features of a front end whose parameters are genes too.

    `space` takes the examples as they are read, such as `CnnSpace(data.input_shape, data.classes)`; it is rebuilt for
    the features of each choice. `front_end` is one of the package, or several, each of which is a `kind`. Options have
    the names of the front end's fields:

        FrontEndChoices(CnnSpace(data.input_shape, 10), (Mel(16000, 16000), Micro(16000, 16000)), rate=(8000, 16000),
                        window_ms=(20, 30, 40), stride_ms=(10, 20), bands=(10, 20, 40))

    `rate` of sound and `steps` of a `Spectrum` set the rate at which the device reads: examples are resampled, and
    bands end below half of the rate. `height` of a `Resize` keeps the proportions of its size. A kind ignores genes
    that it does not have. Combinations that cannot be computed are never drawn. A candidate's RAM, flash and latency
    are the sums of network and front end; RAM includes the example as read (`front_end_ram_bytes` and
    `front_end_flash_bytes` are the front end's shares). Raises `ValueError` for options that cannot work.
    """

    given: SearchSpace[G]
    front_ends: tuple[Fittable, ...]

    def __init__(
        self, space: SearchSpace[G], front_end: Fittable | tuple[Fittable, ...], /, **choices: tuple[Value, ...]
    ) -> None:
        """Take the front ends, and the options of their parameters by name."""
        if not isinstance(space, DeclaredSpace):
            raise ValueError(
                f"FrontEndChoices: {type(space).__name__} is built for one shape; give a space such as CnnSpace"
            )
        given = front_end if isinstance(front_end, tuple) else (front_end,)
        for option in given:
            _check(option, tuple(space.input_shape))
        if unknown := [name for name in choices if not any(name in _genes_of(option) for option in given)]:
            known = sorted({name for option in given for name in _genes_of(option)})
            raise ValueError(
                f"FrontEndChoices: {unknown[0]} is a parameter of none of them; they have {', '.join(known)}"
            )
        genes = FrontEndGenes(tuple(zip(_names(given), given, strict=True)), choices)
        for name, value in (("given", space), ("front_ends", given), ("genes", genes)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "space", self._network_space(genes.valid[0]))
        for values in genes.valid:
            other = self._network_space(values)
            if other.genome != self.space.genome:  # type: ignore[attr-defined]
                raise ValueError(
                    f"FrontEndChoices: genes of {type(space).__name__} depend on the input's shape "
                    f"({self.space.input_shape} or {other.input_shape}); name them, as resolutions=…"
                )

    def as_json(self) -> dict[str, Any]:
        """The space's JSON form, for the journal."""
        choices = {name: choice.options for name, choice in self.genes.choices if name != "kind"}
        return {"space": self.given, "front_ends": self.front_ends, "choices": choices}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an example as read."""
        return self.given.input_shape

    def networks(self, recipe: Values) -> SearchSpace[G]:
        """The space of networks for the features of these genes."""
        return self._network_space(recipe)

    def front_end(self, genotype: Trained[G]) -> Fittable:
        """The front end of a genotype, without constants fitted to the data."""
        return self._genes.front_end(genotype.recipe)

    def network_shape(self, genotype: Trained[G]) -> tuple[int, ...]:
        """The shape of a genotype's features, (height, width, channels)."""
        return self.front_end(genotype).shape

    def beside(self, genotype: Trained[G]) -> Mapping[str, float]:
        """The costs of a genotype's front end on the device, beside the network."""
        front_end: Any = self.front_end(genotype)
        return _needs(front_end, tuple(self.given.input_shape))

    def describe(self, genotype: Trained[G]) -> str:
        """The network in words, then the front end's genes."""
        chosen = zip((name for name, _ in self.genes.choices), genotype.recipe, strict=True)
        own = {"kind", *_genes_of(self.front_end(genotype))}
        words = (f"{name.replace('_', ' ')} {value}" for name, value in chosen if name in own)
        return f"{self.networks(genotype.recipe).describe(genotype.network)}; {', '.join(words)}"

    def recipe(self, genotype: Trained[G]) -> Mapping[str, Json]:
        """The recipe, which holds the front end as `front_end`."""
        return {FRONT_END: as_recipe(self.front_end(genotype))}

    @property
    def _genes(self) -> FrontEndGenes:
        assert isinstance(self.genes, FrontEndGenes)
        return self.genes

    def _network_space(self, values: Values) -> SearchSpace[G]:
        given: Any = self.given
        space: SearchSpace[G] = _for_shape(given, self._genes.front_end(values).shape)
        return space


@lru_cache(maxsize=10_000)
def _for_shape(space: Any, shape: tuple[int, ...]) -> Any:
    return replace(space, input_shape=shape)


_needs = lru_cache(maxsize=1_000)(needs)


@lru_cache(maxsize=10_000)
def _made(base: Any, chosen: tuple[tuple[str, Value], ...]) -> Fittable:
    """The front end with these parameters, and with those that follow from them."""
    values: dict[str, Any] = dict(chosen)
    if "rate" in values:
        values["samples"] = round(base.samples * values["rate"] / base.rate)
        if "high_hz" not in values and values["rate"] < base.rate:
            values["high_hz"] = min(base.high_hz, _NYQUIST_SHARE * values["rate"])
    if "steps" in values:
        for name, least in (("window", 4), ("stride", 1)):
            values.setdefault(name, max(least, round(getattr(base, name) * values["steps"] / base.steps)))
    if "height" in values:
        height = values.pop("height")
        values["size"] = (height, max(1, round(height * base.size[1] / base.size[0])))
    made: Fittable = replace(base, **values)
    return made


def _genes_of(front_end: Any) -> frozenset[str]:
    """The parameters of a front end that may be genes."""
    own = {field.name for field in fields(front_end)} - {
        "mean",
        "deviation",
        "samples",
        "shape",
        "channels",
        "read",
        "size",
    }
    return frozenset(own | ({"height"} if hasattr(front_end, "size") else set()))


def _names(front_ends: tuple[Fittable, ...]) -> tuple[str, ...]:
    """The names of the front ends, numbered where two are equal."""
    plain = [front_end.name for front_end in front_ends]
    return tuple(name if plain.count(name) == 1 else f"{name} {i + 1}" for i, name in enumerate(plain))


def _check(front_end: Any, example: tuple[int, ...]) -> None:
    """Raise `ValueError` unless it is a front end of the package that takes examples of this shape."""
    kind = type(front_end).__name__
    if FRONT_ENDS.get(kind) is not type(front_end):
        raise ValueError(
            f"FrontEndChoices: {kind} is not a front end of the package; choose one of {', '.join(FRONT_ENDS)}"
        )
    reads = read_shape(front_end, example)
    try:
        if reads != example:
            raise DataError(f"reads {reads[0]} steps, examples have {example[0]}")
        made = front_end.apply(np.zeros((1, *example), front_end.raw_type)).shape[1:]
        if made != tuple(front_end.shape):
            raise DataError(f"gives {made}, not {front_end.shape}")
    except DataError as error:
        raise ValueError(f"FrontEndChoices: {kind} does not take examples of {example}: {error}") from error
