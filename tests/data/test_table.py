"""CSV files with a column to predict: what is read of them, how they are split, and what is refused in one line."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.data import DataError, Table, examine, load_splits
from edgevolve.runs.provenance import load_data
from edgevolve.testing import check_data_set
from search_space import MlpSpace

ROWS = 60


def rows(number=ROWS):
    rng = np.random.default_rng(0)
    return [
        [f"{rng.normal(20, 3):.3f}", str(rng.integers(0, 9)), ("red", "green", "blue")[i % 3], ("no", "yes")[i % 2]]
        for i in range(number)
    ]


HEADER = ["width", "count", "colour", "ripe"]


@pytest.fixture
def write(tmp_path):
    def write(table=None, header=HEADER, sign=",", encoding="utf-8", name="fruit.csv", end="\n"):
        lines = [sign.join(line) for line in ([header] if header else []) + (rows() if table is None else table)]
        (tmp_path / name).write_bytes((end.join(lines) + end).encode(encoding))
        return str(tmp_path / name)

    return write


def parts(splits):
    return splits.train, splits.validation, splits.test


def raw(splits):
    """The test examples as read."""
    return np.asarray(splits.raw[:])[:, 0, 0]


def test_numbers_and_words_are_inputs_and_the_label_names_classes(write):
    data = Table(write(), "ripe")
    splits = data.load()
    assert data.inputs == ("width", "count", "colour=blue", "colour=green", "colour=red")
    assert (data.input_shape, data.target.names, data.classes) == ((1, 1, 5), ("no", "yes"), 2)
    assert [len(part) for part in parts(splits)] == [43, 5, 12]
    known = {
        (np.float32(w), np.float32(n), *(float(c == k) for k in ("blue", "green", "red"))) for w, n, c, _ in rows()
    }
    assert {tuple(row) for row in raw(splits)} <= known
    assert np.abs(splits.train.x.mean(axis=0)).max() < 1e-5
    assert splits.front_end.name == "standardise"
    check_data_set(data)


def test_values_are_estimated(write):
    data = Table(write(), "width", values=True, unit="mm")
    assert (data.target.names, data.target.units) == (("width",), ("mm",))
    assert data.inputs == ("count", "colour=blue", "colour=green", "colour=red", "ripe=yes")
    assert data.load().train.y.dtype == np.float64
    check_data_set(data)
    with pytest.raises(DataError, match=r"outputs=data\.target\.outputs"):
        _ = data.classes


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "utf-8-sig"},
        {"sign": "\t"},
        {"sign": ";"},
        {"end": "\r\n"},
        {"end": "\n\n"},
        {"table": [[f'"{cell}"' for cell in row] for row in rows()]},
        {"table": [[w.replace(".", ","), *rest] for w, *rest in rows()], "sign": ";"},
        {"table": [[f" {cell}" for cell in row] for row in rows()]},
    ],
    ids=["BOM", "tabs", "semicolons", "CRLF", "blank lines", "quotes", "decimal commas", "spaces"],
)
def test_the_same_table_is_read_however_it_is_written(write, options):
    plain = Table(write(), "ripe").load()
    other = Table(write(**options, name="other.csv"), "ripe").load()
    for one, two in zip(parts(plain), parts(other), strict=True):
        assert np.array_equal(one.x, two.x) and np.array_equal(one.y, two.y)


def test_labels_that_are_whole_floats_are_classes_in_the_order_of_numbers(write):
    table = [[*row[:3], ("10.0", "9", "2.0")[i % 3]] for i, row in enumerate(rows())]
    assert Table(write(table), "ripe").target.names == ("2", "9", "10")


def test_a_column_may_give_the_split_and_another_the_groups(write):
    table = [[*row, ("Train", "val", "test", "")[i % 4], f"p{i // 8}"] for i, row in enumerate(rows())]
    header = [*HEADER, "part", "person"]
    splits = Table(write(table, header), "ripe", split="part", ignore=("person",)).load()
    assert [len(part) for part in parts(splits)] == [30, 15, 15]
    assert splits.notes[0] == "split: test and validation as given"
    data = Table(write(table, header), "ripe", group="person", ignore="part")
    assert data.load().notes[0].startswith("split: test and validation held out by person, seed 0 (")
    check_data_set(data)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=30, max_size=60), st.integers(0, 3))
def test_no_group_is_ever_divided(tmp_path_factory, drawn, seed):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_text("a,who,y\n" + "".join(f"{i},{who},{y}\n" for i, (who, y) in enumerate(drawn)))
    try:
        splits = Table(str(path), "y", group="who", seed=seed).load()
    except DataError as error:  # one class, or each group alone holds a class
        assert "\n" not in str(error)
        return
    groups = [set(part.groups) for part in parts(splits)]
    assert sum(map(len, groups)) == len({str(who) for who, _ in drawn}) == len(set.union(*groups))
    assert sum(map(len, parts(splits))) == len(drawn)


def changed(row, column, cell):
    table = rows()
    table[row][HEADER.index(column)] = cell
    return table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": changed(4, "width", "abc")}, "row 5: width holds 'abc', not a number"),
        ({"table": changed(4, "width", "")}, "row 5: width is missing"),
        ({"table": changed(4, "width", "NaN")}, "row 5: width is missing"),
        ({"table": changed(4, "width", "inf")}, "row 5: width holds 'inf', not a number"),
        ({"table": changed(4, "colour", "?")}, "row 5: colour is missing"),
        ({"table": changed(4, "ripe", "")}, "row 5: ripe is missing"),
    ],
)
def test_a_bad_row_is_one_line_or_left_out_on_request(write, options, message):
    data = Table(write(**options), "ripe")
    with pytest.raises(DataError, match=message) as caught:
        data.load()
    assert "\n" not in str(caught.value)
    splits = replace(data, skip_unreadable=True).load()
    assert sum(map(len, parts(splits))) == ROWS - 1
    assert any("1 left out as unreadable" in note and message in note for note in splits.notes)


NUMBERED = [[*row, str(i)] for i, row in enumerate(rows())]


@pytest.mark.parametrize(
    ("options", "label", "message"),
    [
        ({}, "rype", "no column rype; it has width, count, colour, ripe; did you mean 'ripe'"),
        ({"header": ["a", "a", "b", "ripe"]}, "ripe", "two columns are named a; remove or rename one"),
        ({"header": None}, "ripe", "no column ripe"),
        (
            {"table": [row[:3] if i == 9 else [*row, "x"] for i, row in enumerate(rows())]},
            "ripe",
            "not a table of 4 col",
        ),
        ({"table": []}, "ripe", "has no row below its header"),
        ({"table": [[*row[:3], "yes"] for row in rows()]}, "ripe", "every row has the label 'yes'"),
        ({"table": [[*row[:3], row[0]] for row in rows()]}, "ripe", "no classes; values=True estimates a number"),
        ({"table": [[*row[:2], f"word{i}", row[3]] for i, row in enumerate(rows(120))]}, "ripe", "more than 100 words"),
        (
            {"table": [[*row[:2], f"2024-{i:02}-03", row[3]] for i, row in enumerate(rows())]},
            "ripe",
            "column colour holds 60 different words in 60 rows, such as '2024-00-03'; ignore=",
        ),
        (
            {"table": [[*row[:2], f"{i % 3 + 1}'{200 + i % 7}", row[3]] for i, row in enumerate(rows())]},
            "ripe",
            'column colour holds numbers such as "1\'200": write them without thousands separators',
        ),
        ({"table": [[*row[:2], "", row[3]] for row in rows()]}, "ripe", "column colour is empty"),
        ({"encoding": "utf-16"}, "ripe", "is UTF-16 text; save it as UTF-8"),
        ({"table": changed(3, "colour", "caf\xe9"), "encoding": "latin-1"}, "ripe", "is not UTF-8 text"),
        ({"table": changed(3, "colour", "\0")}, "ripe", "is not text"),
    ],
)
def test_a_table_that_cannot_be_meant_is_one_line(write, options, label, message):
    with pytest.raises(DataError, match=message) as caught:
        Table(write(**options), label).load()
    assert "\n" not in str(caught.value) and "fruit.csv: " in str(caught.value)


def test_no_file_an_empty_one_and_a_workbook_are_one_line(tmp_path):
    for name, content, message in (
        ("none.csv", None, "none.csv: No such file"),
        ("empty.csv", b"", "empty.csv: is empty"),
        ("blank.csv", b"\n\n", "blank.csv: is empty"),
        ("book.csv", b"PK\x03\x04", "book.csv: is a workbook"),
        ("alone.csv", b"y\n1\n2\n", "no column is left to predict y from"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            Table(str(tmp_path / name), "y").load()
    with pytest.raises(DataError, match="Is a directory"):
        Table(str(tmp_path), "y").load()


def test_a_split_column_that_says_something_else_is_one_line(write):
    table = [[*row, "trian"] for row in rows()]
    with pytest.raises(DataError, match="row 1: part is 'trian'; it says train, validation or test"):
        Table(write(table, [*HEADER, "part"]), "ripe", split="part").load()


def test_a_column_that_counts_the_rows_gets_a_note(write):
    data = Table(write(NUMBERED, [*HEADER, "id"]), "ripe")
    notes = examine(data, load_splits(data)).notes
    assert any(note.startswith("column id counts the rows") for note in notes)


def test_a_table_larger_than_memory_is_the_same(write, monkeypatch):
    data = Table(write(), "ripe")
    whole = data.load()
    monkeypatch.setattr("edgevolve.data.spool.IN_MEMORY_BYTES", 100)
    monkeypatch.setattr("edgevolve.data.csv_file._ROWS_AT_ONCE", 7)
    stored = data.load()
    assert not isinstance(stored.train.x, np.ndarray)
    for one, two in zip(parts(whole), parts(stored), strict=True):
        assert np.allclose(one.x, two.x[:], atol=1e-6) and np.array_equal(one.y, two.y)


def test_a_search_runs_on_a_table_and_its_class_names_stay(write, config, run_search):
    data = Table(write(), "ripe")
    run = run_search(config(data=data, space=MlpSpace(data.input_shape, data.classes), evaluations=2))
    assert load_data(run).target.names == ("no", "yes")
