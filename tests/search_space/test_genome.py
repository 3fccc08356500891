"""The genome kit, part by part."""

from dataclasses import FrozenInstanceError, dataclass
from itertools import pairwise, product

import numpy as np
import pytest

from search_space import GenotypeError
from search_space.genome import Choice, Flag, IntRange, Items, Maybe, Record, Variants


@dataclass(frozen=True, slots=True)
class Wheel:
    size: int
    spare: bool


@dataclass(frozen=True, slots=True)
class Wing:
    size: int
    shape: str


@dataclass(frozen=True, slots=True)
class Car:
    parts: tuple[Wheel | Wing, ...]
    colour: str | None


SIZE = IntRange(2, 8, step=2, moves=(2, 4))
WHEEL = Record(Wheel, size=SIZE, spare=Flag(0.2))
WING = Record(Wing, size=SIZE, shape=Choice(("flat", "bent", "round"), ordered=True))
PART = Variants(wheel=WHEEL, wing=WING)
CAR = Record(Car, parts=Items("part", PART, 1, 2), colour=Maybe(Choice(("red", "blue")), 0.7))
SMALL = Car((Wheel(2, False),), None)

PARTS = [Wheel(s, f) for s, f in product((2, 4, 6, 8), (False, True))]
PARTS += [Wing(s, f) for s, f in product((2, 4, 6, 8), ("flat", "bent", "round"))]
ALL = [
    Car(parts, colour) for parts in [*((p,) for p in PARTS), *product(PARTS, PARTS)] for colour in (None, "red", "blue")
]


def rng():
    return np.random.default_rng(0)


def test_every_value_of_a_genome_is_sampled():
    generator = rng()
    assert {CAR.sample(generator) for _ in range(60_000)} == set(ALL)


def test_every_value_of_a_genome_is_reached_by_morphisms_from_any_other():
    generator = rng()
    reached, edge = {SMALL}, {SMALL}
    for _ in range(60):
        edge = {n for value in edge for n in CAR.neighbours(value, generator)} - reached
        reached |= edge
        edge = edge or reached  # fresh parts are drawn anew each time, so look again
        if len(reached) == len(ALL):
            break
    assert reached == set(ALL)


def test_encodings_are_one_to_one_and_in_the_unit_cube():
    rows = [tuple(CAR.encode(value)) for value in ALL]
    assert len(set(rows)) == len(ALL)
    assert {len(row) for row in rows} == {CAR.width}
    assert min(map(min, rows)) == 0 and max(map(max, rows)) == 1


def test_every_value_survives_json():
    assert [CAR.from_json(CAR.to_json(value), "car") for value in ALL] == ALL


def test_fields_of_equal_name_and_variable_share_their_place_in_the_encoding():
    assert PART.width == 2 + 1 + 1 + 1
    assert PART.encode(Wheel(8, True)) == [1, 0, 1, 1, 0]
    assert PART.encode(Wing(8, "bent")) == [0, 1, 1, 0, 0.5]


def test_a_whole_number_moves_by_its_moves_and_stays_in_bounds():
    assert list(SIZE.neighbours(2, rng())) == [4, 6]
    assert list(SIZE.neighbours(6, rng())) == [4, 8, 2]
    assert list(IntRange(1, 1).neighbours(1, rng())) == []


def test_both_bounds_of_a_whole_number_are_sampled_as_often_as_the_others():
    generator = rng()
    draws = [SIZE.sample(generator) for _ in range(8000)]
    assert all(abs(draws.count(value) - 2000) < 200 for value in (2, 4, 6, 8))


def test_an_ordered_choice_moves_to_what_is_next_and_another_anywhere():
    options = ("a", "b", "c", "d")
    assert list(Choice(options, ordered=True).neighbours("a", rng())) == ["b"]
    assert list(Choice(options, ordered=True).neighbours("c", rng())) == ["b", "d"]
    assert list(Choice(options).neighbours("c", rng())) == ["a", "b", "d"]
    assert Choice(options).encode("c") == [0, 0, 1, 0]


def test_a_flag_is_yes_with_its_probability():
    generator = rng()
    assert abs(sum(Flag(0.9).sample(generator) for _ in range(10_000)) - 9000) < 150


def test_a_change_of_variant_draws_all_fields_anew():
    generator = rng()
    wings = {n for _ in range(500) for n in PART.neighbours(Wheel(2, False), generator) if isinstance(n, Wing)}
    assert wings == {part for part in PARTS if isinstance(part, Wing)}


def test_neighbours_of_items_remove_any_insert_where_allowed_and_change_one():
    number = IntRange(1, 9)
    anywhere = Items("n", number, 1, 3, fresh=IntRange(7, 7))
    assert list(anywhere.neighbours((1, 5), rng())) == [
        (5,),
        (1,),
        (7, 1, 5),
        (1, 7, 5),
        (1, 5, 7),
        (2, 5),
        (1, 4),
        (1, 6),
    ]
    assert list(Items("n", number, 1, 3, insert="end", fresh=IntRange(7, 7)).longer((1, 5), rng())) == [(1, 5, 7)]
    assert list(anywhere.shorter((4, 4, 5))) == [(4, 5), (4, 4)]
    assert {len(n) for n in anywhere.neighbours((1,), rng())} == {1, 2}
    assert {len(n) for n in anywhere.neighbours((1, 2, 3), rng())} == {2, 3}


def test_crossover_of_items_keeps_runs_of_both_parents():
    items = Items("n", IntRange(0, 99), 1, 6)
    a, b = (1, 2, 3, 4, 5), (11, 12, 13)
    generator = rng()
    children = {items.crossover(a, b, generator) for _ in range(500)}
    assert children == {a[:i] + b[i:] for i in range(4)} | {b[:i] + a[i:] for i in range(4)}
    assert all(sum((x < 10) != (y < 10) for x, y in pairwise(child)) <= 1 for child in children)


def test_crossover_mixes_records_of_one_variant_field_by_field():
    generator = rng()
    children = {PART.crossover(Wheel(2, False), Wheel(8, True), generator) for _ in range(100)}
    assert children == {Wheel(s, f) for s, f in product((2, 8), (False, True))}
    mixed = {PART.crossover(Wheel(2, False), Wing(8, "flat"), generator) for _ in range(100)}
    assert mixed == {Wheel(2, False), Wing(8, "flat")}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (SMALL, SMALL, []),
        (SMALL, Car((Wheel(4, False),), None), ["part 1: size 2 → 4"]),
        (SMALL, Car((Wheel(2, True),), "red"), ["part 1: spare off → on", "colour added"]),
        (SMALL, Car((Wing(2, "flat"),), None), ["part 1: wheel → wing"]),
        (SMALL, Car((Wing(2, "flat"), Wheel(2, False)), None), ["part 1 added"]),
        (Car((Wing(2, "flat"), Wheel(2, False)), "red"), SMALL, ["part 1 removed", "colour removed"]),
        (Car(SMALL.parts, "red"), Car(SMALL.parts, "blue"), ["colour red → blue"]),
    ],
)
def test_a_difference_says_where_and_what(before, after, words):
    assert [str(change) for change in CAR.difference(before, after, "")] == words


def test_a_difference_tells_the_gap_with_the_fewest_changes():
    items = Items("layer", Record(Wheel, size=IntRange(1, 99), spare=Flag()), 0, 9)
    wheels = [Wheel(n, False) for n in range(1, 7)]
    before = tuple(wheels)
    after = (wheels[0], wheels[1], Wheel(4, True), wheels[4], wheels[5])
    assert [str(c) for c in items.difference(before, after, "")] == ["layer 3 removed", "layer 3: spare off → on"]
    assert [str(c) for c in items.difference(after, (*after, wheels[0], wheels[1]), "")] == [
        "layer 6 added",
        "layer 7 added",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "car: expected an object, got None"),
        ([1], "car: expected an object, got a list of 1"),
        ({"parts": []}, "car: 'colour' is missing"),
        ({"parts": [], "colour": None, "x" * 99: 1}, "car: unknown key 'xxxxxxxxxx"),
        ({"parts": [], "colour": None}, "car.parts: expected a list of 1 to 2, got a list of 0"),
        ({"parts": {}, "colour": None}, "car.parts: expected a list of 1 to 2, got a dict of 0"),
        ({"parts": [[]], "colour": None}, "car.parts[0]: expected an object, got a list of 0"),
        ({"parts": [{"size": 2}], "colour": None}, "car.parts[0]: 'type' is missing"),
        ({"parts": [{"type": "fin"}], "colour": None}, "car.parts[0].type: expected one of 'wheel', 'wing', got 'fin'"),
        ({"parts": [{"type": np.zeros(2)}], "colour": None}, "car.parts[0].type: expected one of .*, got a ndarray"),
        (
            {"parts": [{"type": "wheel", "size": 3, "spare": True}], "colour": None},
            "car.parts[0].size: expected a whole number from 2 to 8 in steps of 2, got 3",
        ),
        (
            {"parts": [{"type": "wheel", "size": True, "spare": True}], "colour": None},
            "car.parts[0].size: expected a whole number from 2 to 8 in steps of 2, got True",
        ),
        (
            {"parts": [{"type": "wheel", "size": 2.0, "spare": True}], "colour": None},
            "car.parts[0].size: expected a whole number from 2 to 8 in steps of 2, got 2.0",
        ),
        (
            {"parts": [{"type": "wheel", "size": 10**9000, "spare": True}], "colour": None},
            "car.parts[0].size: expected a whole number from 2 to 8 in steps of 2, got a huge whole number",
        ),
        (
            {"parts": [{"type": "wheel", "size": 2, "spare": 1}], "colour": None},
            "car.parts[0].spare: expected true or false, got 1",
        ),
        ({"parts": [{"type": "wheel", "size": 2, "spare": True}], "colour": "green"}, "car.colour: expected one of"),
    ],
)
def test_malformed_json_is_refused_with_the_path_and_the_fault(value, message):
    with pytest.raises(GenotypeError) as caught:
        CAR.from_json(value, "car")
    start, _, end = message.partition(".*")
    assert str(caught.value).startswith(start) and end in str(caught.value)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: IntRange(3, 2),
        lambda: IntRange(1, 4, step=2, moves=(2,)),
        lambda: IntRange(1, 5, step=2),
        lambda: IntRange(1, 5, moves=(0,)),
        lambda: IntRange(1, 5, step=0),
        lambda: Choice(()),
        lambda: Choice(("a", "a")),
        lambda: Flag(1.0),
        lambda: Flag(float("nan")),
        lambda: Maybe(Flag(), 0.0),
        lambda: Items("n", Flag(), 3, 2),
        lambda: Items("n", Flag(), -1, 2),
        lambda: Variants(a=WHEEL, b=WHEEL),
        lambda: Variants(a=Record(Wheel, type=Flag())),
        lambda: Variants(),
    ],
)
def test_impossible_declarations_are_refused(declare):
    with pytest.raises(ValueError, match=r"must|needs?|cannot"):
        declare()


@pytest.mark.parametrize(
    ("variable", "value"),
    [(IntRange(0, 1), True), (IntRange(0, 1), 1.0), (Flag(), 1), (Choice((1, 2)), True), (Choice((1, 2)), 1.0)],
)
def test_values_that_are_merely_equal_are_refused(variable, value):
    with pytest.raises(GenotypeError, match="x: expected"):
        variable.from_json(value, "x")


def test_schema_objects_are_frozen_and_equal_declarations_are_equal():
    with pytest.raises(FrozenInstanceError):
        PART.width = 3
    again = Variants(wheel=WHEEL, wing=WING)
    assert again == PART and hash(again) == hash(PART)
