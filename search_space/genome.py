"""The genome kit: combinations of genes, by which a search space is declared.

For a frozen dataclass `Hidden` with a field `units`, one to seven such layers are:
`Items("hidden layer", Record(Hidden, units=IntRange(10, 256, moves=(1, 5))), 1, 7)`.

Every part is a `Variable`; none changes a value it is given.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from numpy.random import Generator

from search_space.space import GenotypeError, Json
from search_space.variables import (
    Change,
    Choice,
    Flag,
    IntRange,
    Variable,
    changed,
    check_keys,
    check_probability,
    either,
    refusal,
)

__all__ = ["Change", "Choice", "Flag", "IntRange", "Items", "Maybe", "Record", "Variable", "Variants"]

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Maybe(Generic[V]):
    """A value of `variable` with `probability`, else None. A morphism adds a new value, drops it or changes it."""

    variable: Variable[V]
    probability: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self, self.probability)

    @property
    def width(self) -> int:
        """Presence, then the value."""
        return 1 + self.variable.width

    def sample(self, rng: Generator) -> V | None:
        """Draw presence, then the value."""
        return self.variable.sample(rng) if rng.random() < self.probability else None

    def neighbours(self, value: V | None, rng: Generator) -> Iterator[V | None]:
        """A new value for None; else None and the value's neighbours."""
        if value is None:
            yield self.variable.sample(rng)
        else:
            yield None
            yield from self.variable.neighbours(value, rng)

    def crossover(self, a: V | None, b: V | None, rng: Generator) -> V | None:
        """Mix two values, or take a parent's at random where one has none."""
        if a is None or b is None:
            return either(a, b, rng)
        return self.variable.crossover(a, b, rng)

    def encode(self, value: V | None) -> list[float]:
        """1 and the value, or zeros."""
        return [0.0] * self.width if value is None else [1.0, *self.variable.encode(value)]

    def to_json(self, value: V | None) -> Json:
        """The value or null."""
        return None if value is None else self.variable.to_json(value)

    def from_json(self, value: object, path: str) -> V | None:
        """Read a value or null."""
        return None if value is None else self.variable.from_json(value, path)

    def difference(self, before: V | None, after: V | None, name: str) -> list[Change]:
        """`pool added`, `pool removed`, or what changed in the value."""
        if before is not None and after is not None:
            return self.variable.difference(before, after, name)
        if before is None and after is None:
            return []
        return [Change((), f"{name} {'added' if before is None else 'removed'}")]


@dataclass(frozen=True, slots=True, init=False)
class Record(Generic[V]):
    """A frozen dataclass with one variable for each field: `Record(Hidden, units=IntRange(10, 256))`.

    A morphism changes one field; crossover mixes field by field.
    """

    cls: Callable[..., V]
    fields: tuple[tuple[str, Variable[Any]], ...]
    width: int

    def __init__(self, cls: Callable[..., V], /, **fields: Variable[Any]) -> None:
        """Declare the fields of `cls`, in the order in which they are drawn and encoded."""
        object.__setattr__(self, "cls", cls)
        object.__setattr__(self, "fields", tuple(fields.items()))
        object.__setattr__(self, "width", sum(variable.width for variable in fields.values()))

    def sample(self, rng: Generator) -> V:
        """Draw every field."""
        return self.cls(**{name: variable.sample(rng) for name, variable in self.fields})

    def neighbours(self, value: V, rng: Generator) -> Iterator[V]:
        """Change one field by one step."""
        values = {name: getattr(value, name) for name, _ in self.fields}
        for name, variable in self.fields:
            for other in variable.neighbours(values[name], rng):
                yield self.cls(**{**values, name: other})

    def crossover(self, a: V, b: V, rng: Generator) -> V:
        """Mix field by field."""
        return self.cls(**{name: v.crossover(getattr(a, name), getattr(b, name), rng) for name, v in self.fields})

    def encode(self, value: V) -> list[float]:
        """The fields' encodings in a row."""
        return [x for name, variable in self.fields for x in variable.encode(getattr(value, name))]

    def to_json(self, value: V) -> dict[str, Json]:
        """An object with one key for each field."""
        return {name: variable.to_json(getattr(value, name)) for name, variable in self.fields}

    def from_json(self, value: object, path: str) -> V:
        """Read an object with exactly these keys."""
        check_keys(value, [name for name, _ in self.fields], path)
        assert isinstance(value, dict)
        return self.cls(**{name: v.from_json(value[name], f"{path}.{name}") for name, v in self.fields})

    def difference(self, before: V, after: V, name: str) -> list[Change]:
        """What changed in each field, with this record's name."""
        where = (name,) if name else ()
        return [
            Change(where + change.where, change.what)
            for key, variable in self.fields
            for change in variable.difference(getattr(before, key), getattr(after, key), key.replace("_", " "))
        ]


@dataclass(frozen=True, slots=True, init=False)
class Variants(Generic[V]):
    """A tagged union of records: `Variants(conv=Record(Conv, ...), pool=Record(Pool, ...))`; uniform.

    A morphism changes a field, or changes the variant and draws all its fields anew. Each variant has its own class. In
    the encoding, fields of equal name and variable share their place.
    """

    records: tuple[tuple[str, Record[V]], ...]
    width: int
    tags: dict[object, int] = field(compare=False)
    places: tuple[tuple[int, ...], ...] = field(compare=False)

    def __init__(self, **records: Record[Any]) -> None:
        """Declare the variants by tag. Raises `ValueError` for none, a shared class, or a field called `type`."""
        tags: dict[object, int] = {record.cls: i for i, record in enumerate(records.values())}
        if not 0 < len(tags) == len(records) or any(name == "type" for r in records.values() for name, _ in r.fields):
            raise ValueError("variants need classes of their own and no field called 'type'")
        width = len(records)
        shared: dict[tuple[str, Variable[Any]], int] = {}
        places = []
        for record in records.values():
            taken: list[int] = []
            for entry in record.fields:
                if entry not in shared:
                    shared[entry] = width
                    width += entry[1].width
                taken.extend(range(shared[entry], shared[entry] + entry[1].width))
            places.append(tuple(taken))
        object.__setattr__(self, "records", tuple(records.items()))
        object.__setattr__(self, "width", width)
        object.__setattr__(self, "tags", tags)
        object.__setattr__(self, "places", tuple(places))

    def sample(self, rng: Generator) -> V:
        """Draw the variant, then its fields."""
        return self.records[int(rng.integers(0, len(self.records)))][1].sample(rng)

    def neighbours(self, value: V, rng: Generator) -> Iterator[V]:
        """Changes of one field, then each other variant, drawn anew."""
        index = self.tags[type(value)]
        yield from self.records[index][1].neighbours(value, rng)
        for i, (_, record) in enumerate(self.records):
            if i != index:
                yield record.sample(rng)

    def crossover(self, a: V, b: V, rng: Generator) -> V:
        """Mix two values of one variant, else take either parent's."""
        if type(a) is type(b):
            return self.records[self.tags[type(a)]][1].crossover(a, b, rng)
        return either(a, b, rng)

    def encode(self, value: V) -> list[float]:
        """One-hot variant, then the fields in their places and zeros elsewhere."""
        index = self.tags[type(value)]
        row = [0.0] * self.width
        row[index] = 1.0
        for place, x in zip(self.places[index], self.records[index][1].encode(value), strict=True):
            row[place] = x
        return row

    def to_json(self, value: V) -> Json:
        """The record's object with its tag under `type`."""
        tag, record = self.records[self.tags[type(value)]]
        return {"type": tag, **record.to_json(value)}

    def from_json(self, value: object, path: str) -> V:
        """Read an object with a known `type` and that variant's keys."""
        if type(value) is not dict:
            raise refusal(path, "an object", value)
        if "type" not in value:
            raise GenotypeError(f"{path}: 'type' is missing")
        for tag, record in self.records:
            if type(value["type"]) is str and value["type"] == tag:
                return record.from_json({k: v for k, v in value.items() if k != "type"}, path)
        raise refusal(f"{path}.type", f"one of {', '.join(repr(tag) for tag, _ in self.records)}", value["type"])

    def difference(self, before: V, after: V, name: str) -> list[Change]:
        """What changed in the record, or `layer 1: conv → depthwise`."""
        old, new = self.tags[type(before)], self.tags[type(after)]
        if old == new:
            return self.records[old][1].difference(before, after, name)
        (change,) = changed(self.records[old][0], self.records[new][0], "")
        return [Change((name,) if name else (), change.what)]


@dataclass(frozen=True, slots=True)
class Items(Generic[V]):
    """A tuple of `low` to `high` values of `item`; the length is uniform.

    A morphism removes an item, inserts one drawn from `fresh` (by default `item`) anywhere or only at the `end`, or
    changes an item. `name` is one item's name in words.
    """

    name: str
    item: Variable[V]
    low: int
    high: int
    insert: Literal["anywhere", "end"] = "anywhere"
    fresh: Variable[V] | None = None
    width: int = field(init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"{self.name}: cannot have from {self.low} to {self.high} of them")
        object.__setattr__(self, "width", self.high * (1 + self.item.width))

    def sample(self, rng: Generator) -> tuple[V, ...]:
        """Draw the length, then the items."""
        return tuple(self.item.sample(rng) for _ in range(int(rng.integers(self.low, self.high + 1))))

    def neighbours(self, value: tuple[V, ...], rng: Generator) -> Iterator[tuple[V, ...]]:
        """One item less, one more, or one changed."""
        if len(value) > self.low:
            yield from self.shorter(value)
        if len(value) < self.high:
            yield from self.longer(value, rng)
        yield from self.changed(value, rng)

    def shorter(self, value: tuple[V, ...]) -> Iterator[tuple[V, ...]]:
        """The tuple without each item, once for a run of equal items."""
        for i, item in enumerate(value):
            if i == 0 or item != value[i - 1]:
                yield value[:i] + value[i + 1 :]

    def longer(self, value: tuple[V, ...], rng: Generator) -> Iterator[tuple[V, ...]]:
        """The tuple with a new item at each allowed place."""
        for i in range(len(value) if self.insert == "end" else 0, len(value) + 1):
            yield (*value[:i], (self.fresh or self.item).sample(rng), *value[i:])

    def changed(self, value: tuple[V, ...], rng: Generator) -> Iterator[tuple[V, ...]]:
        """The tuple with one item changed by one step."""
        for i, item in enumerate(value):
            for other in self.item.neighbours(item, rng):
                yield (*value[:i], other, *value[i + 1 :])

    def crossover(self, a: tuple[V, ...], b: tuple[V, ...], rng: Generator) -> tuple[V, ...]:
        """One-point crossover: the items of one parent before the point, of the other after it."""
        first, last = either((a, b), (b, a), rng)
        cut = int(rng.integers(0, min(len(a), len(b)) + 1))
        return first[:cut] + last[cut:]

    def encode(self, value: tuple[V, ...]) -> list[float]:
        """1 and the encoded item for each item, then zeros for places without one."""
        row = [x for item in value for x in (1.0, *self.item.encode(item))]
        return row + [0.0] * (self.width - len(row))

    def to_json(self, value: tuple[V, ...]) -> Json:
        """A list."""
        return [self.item.to_json(item) for item in value]

    def from_json(self, value: object, path: str) -> tuple[V, ...]:
        """Read a list whose length is within the bounds."""
        if type(value) is not list or not self.low <= len(value) <= self.high:
            raise refusal(path, f"a list of {self.low} to {self.high}", value)
        return tuple(self.item.from_json(item, f"{path}[{i}]") for i, item in enumerate(value))

    def difference(self, before: tuple[V, ...], after: tuple[V, ...], name: str) -> list[Change]:
        """`block 3 removed`, `block 4 added`, or what changed in the items that stay.

        Removed items have their old numbers, others their new ones. Of all ways to align the two with one gap, the one
        with the fewest changes is given.
        """
        if len(before) == len(after):
            return self._pairs(before, list(enumerate(after)))
        starts = range(min(len(before), len(after)) + 1)
        return min((self._with_gap(before, after, start) for start in starts), key=len)

    def _with_gap(self, before: tuple[V, ...], after: tuple[V, ...], start: int) -> list[Change]:
        """The changes if the items that only one of the two has are a run from `start` on."""
        size = len(after) - len(before)
        numbers = range(start, start + abs(size))
        numbered = list(enumerate(after))
        if size > 0:
            gap = [Change((), f"{self.name} {i + 1} added") for i in numbers]
            return gap + self._pairs(before, numbered[:start] + numbered[start + size :])
        gap = [Change((), f"{self.name} {i + 1} removed") for i in numbers]
        return gap + self._pairs(before[:start] + before[start - size :], numbered)

    def _pairs(self, before: Sequence[V], after: Sequence[tuple[int, V]]) -> list[Change]:
        return [
            change
            for old, (i, new) in zip(before, after, strict=True)
            if old != new
            for change in self.item.difference(old, new, f"{self.name} {i + 1}")
        ]
