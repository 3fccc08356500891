"""Single genes: a whole number, a choice, a flag."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from numpy.random import Generator

from search_space.space import GenotypeError, Json

V = TypeVar("V")
Option = TypeVar("Option", str, int)


class Change(NamedTuple):
    """One difference between two values: where, from the outside in, and what."""

    where: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        return f"{', '.join(self.where)}: {self.what}" if self.where else self.what


class Variable(Protocol[V]):
    """A set of values with a neighbourhood, a building block of genomes. `V` is frozen and hashable."""

    @property
    def width(self) -> int:
        """Length of every encoding."""

    def sample(self, rng: Generator) -> V:
        """Draw a value; every value is possible."""

    def neighbours(self, value: V, rng: Generator) -> Iterator[V]:
        """Every one-step change of `value` once; `rng` draws new parts."""

    def crossover(self, a: V, b: V, rng: Generator) -> V:
        """Mix two values."""

    def encode(self, value: V) -> list[float]:
        """`width` numbers in [0, 1], different for different values."""

    def to_json(self, value: V) -> Json:
        """The value as JSON."""

    def from_json(self, value: object, path: str) -> V:
        """Read and check a value. Raises `GenotypeError` that names `path`."""

    def difference(self, before: V, after: V, name: str) -> list[Change]:
        """The differences in words, for a variable called `name`; empty for equal values."""


@dataclass(frozen=True, slots=True)
class IntRange:
    """Whole numbers from `low` to `high`, both included, `step` apart; uniform.

    A morphism adds or subtracts one of `moves` (differences of the value, multiples of `step`) and stays in bounds.
    Raises `ValueError` for a range without those bounds.
    """

    low: int
    high: int
    step: int = 1
    moves: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        if self.step < 1 or self.low > self.high or (self.high - self.low) % self.step:
            raise ValueError(f"{self}: high must be low plus a number of steps")
        if not all(move > 0 and move % self.step == 0 for move in self.moves):
            raise ValueError(f"{self}: moves must be multiples of the step")

    @property
    def width(self) -> int:
        """1."""
        return 1

    def sample(self, rng: Generator) -> int:
        """Draw uniformly."""
        return self.low + self.step * int(rng.integers(0, (self.high - self.low) // self.step + 1))

    def neighbours(self, value: int, rng: Generator) -> Iterator[int]:
        """`value` plus or minus each move, where that is in bounds."""
        for move in self.moves:
            if value - move >= self.low:
                yield value - move
            if value + move <= self.high:
                yield value + move

    def crossover(self, a: int, b: int, rng: Generator) -> int:
        """Either parent's value."""
        return either(a, b, rng)

    def encode(self, value: int) -> list[float]:
        """The relative place between the bounds."""
        return [(value - self.low) / max(self.high - self.low, 1)]

    def to_json(self, value: int) -> Json:
        """The number."""
        return value

    def from_json(self, value: object, path: str) -> int:
        """Read a whole number of the range."""
        if type(value) is not int or not self.low <= value <= self.high or (value - self.low) % self.step:
            steps = f" in steps of {self.step}" if self.step > 1 else ""
            raise refusal(path, f"a whole number from {self.low} to {self.high}{steps}", value)
        return value

    def difference(self, before: int, after: int, name: str) -> list[Change]:
        """`filters 12 → 15`."""
        return changed(before, after, name)


@dataclass(frozen=True, slots=True)
class Choice(Generic[Option]):
    """One of several names or numbers; uniform.

    A morphism goes to any other option or, where `ordered`, to the option before or after. Raises `ValueError` if there
    are no options or some are equal.
    """

    options: tuple[Option, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) != len(self.options):
            raise ValueError(f"{self} needs different options")

    @property
    def width(self) -> int:
        """1 if ordered, else the number of options."""
        return 1 if self.ordered else len(self.options)

    def sample(self, rng: Generator) -> Option:
        """Draw uniformly."""
        return self.options[int(rng.integers(0, len(self.options)))]

    def neighbours(self, value: Option, rng: Generator) -> Iterator[Option]:
        """The other options, or if `ordered` those next to `value`."""
        index = self.options.index(value)
        for i, option in enumerate(self.options):
            if i != index and (not self.ordered or abs(i - index) == 1):
                yield option

    def crossover(self, a: Option, b: Option, rng: Generator) -> Option:
        """Either parent's option."""
        return either(a, b, rng)

    def encode(self, value: Option) -> list[float]:
        """The relative place in the order, or one-hot without an order."""
        index = self.options.index(value)
        if self.ordered:
            return [index / max(len(self.options) - 1, 1)]
        return [float(i == index) for i in range(len(self.options))]

    def to_json(self, value: Option) -> Json:
        """The option."""
        return value

    def from_json(self, value: object, path: str) -> Option:
        """Read an option."""
        for option in self.options:
            if type(value) is type(option) and value == option:
                return option
        raise refusal(path, f"one of {', '.join(map(repr, self.options))}", value)

    def difference(self, before: Option, after: Option, name: str) -> list[Change]:
        """`kind avg → max`."""
        return changed(before, after, name)


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no; yes with `probability`. A morphism toggles it."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self, self.probability)

    @property
    def width(self) -> int:
        """1."""
        return 1

    def sample(self, rng: Generator) -> bool:
        """Draw the flag."""
        return bool(rng.random() < self.probability)

    def neighbours(self, value: bool, rng: Generator) -> Iterator[bool]:
        """The other value."""
        yield not value

    def crossover(self, a: bool, b: bool, rng: Generator) -> bool:
        """Either parent's."""
        return either(a, b, rng)

    def encode(self, value: bool) -> list[float]:
        """0 or 1."""
        return [float(value)]

    def to_json(self, value: bool) -> Json:
        """The flag itself."""
        return value

    def from_json(self, value: object, path: str) -> bool:
        """Read true or false."""
        if type(value) is not bool:
            raise refusal(path, "true or false", value)
        return value

    def difference(self, before: bool, after: bool, name: str) -> list[Change]:
        """`relu off → on`."""
        return changed("on" if before else "off", "on" if after else "off", name)


def either(a: V, b: V, rng: Generator) -> V:
    """One of two values, with equal probability."""
    return a if rng.random() < 0.5 else b


def changed(before: object, after: object, name: str) -> list[Change]:
    """`NAME BEFORE → AFTER`, or nothing for equal values."""
    return [] if before == after else [Change((), f"{name} {before} → {after}".strip())]


def check_probability(owner: object, probability: float) -> None:
    """Raise `ValueError` unless both outcomes are possible, so that the whole space can be sampled."""
    if not (math.isfinite(probability) and 0 < probability < 1):
        raise ValueError(f"{owner}: the probability must lie between 0 and 1")


def check_keys(value: object, names: Collection[str], path: str) -> None:
    """Raise `GenotypeError` unless `value` is an object with exactly these keys."""
    if type(value) is not dict:
        raise refusal(path, "an object", value)
    if missing := [name for name in names if name not in value]:
        raise GenotypeError(f"{path}: {missing[0]!r} is missing")
    for key in value:
        if key not in names:
            raise GenotypeError(f"{path}: unknown key {shown(key)}")


def refusal(path: str, expected: str, value: object) -> GenotypeError:
    """The error for `value` at `path`."""
    return GenotypeError(f"{path}: expected {expected}, got {shown(value)}")


def shown(value: object) -> str:
    """A short text for any value, however large, deep or odd."""
    if isinstance(value, str):
        return repr(value[:40]) + ("..." if len(value) > 40 else "")
    if value is None or type(value) in (bool, float):
        return repr(value)
    if type(value) is int:
        return repr(value) if value.bit_length() <= 64 else "a huge whole number"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
