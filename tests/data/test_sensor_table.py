"""Recordings in one file: CSV with label and session, `.ts`, `.npz`; and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.data import DataError, SensorTable
from edgevolve.runs.provenance import load_data
from edgevolve.testing import check_data_set
from search_space import MlpSpace


def signal(number, steps=40, channels=2):
    """Every value tells its recording and its step."""
    return number * 1000 + np.arange(steps)[:, np.newaxis] + 0.25 * np.arange(channels)


def parts(splits):
    return splits.train, splits.validation, splits.test


def recordings(part):
    """Of which recording each window is; no window is of two."""
    owners = np.asarray(part.x[:]) // 1000
    assert (owners == owners[:, :1, :, :1]).all()
    return owners[:, 0, 0, 0].astype(int)


def nordic(path, number=16, header="ax,ay,target,session", change=None):
    rows = [f"{a},{b},{('idle', 'run')[n % 2]},s{n // 4}" for n in range(number) for a, b in signal(n).tolist()]
    if change:
        rows[change[0]] = change[1]
    path.write_text("\n".join((header, *rows)) + "\n")
    return str(path)


def plain(path, **options):
    return SensorTable(str(path), **{"window": 10, "normalise": False, **options})


def test_target_and_session_columns_make_recordings_and_groups(tmp_path):
    data = plain(nordic(tmp_path / "log.csv"), stride=2)
    splits = data.load()
    assert (data.input_shape, data.target.names) == ((10, 1, 2), ("idle", "run"))
    groups = [set(part.groups) for part in parts(splits)]
    assert set.union(*groups) == {"s0", "s1", "s2", "s3"} and sum(map(len, groups)) == 4
    assert sum(len(recordings(part)) for part in parts(splits)) == 16 * 16
    assert splits.notes[0].startswith("split: test and validation held out by session")
    for part in parts(splits):
        assert np.array_equal(part.y, recordings(part) % 2)
    check_data_set(data)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(1, 30)), min_size=4, max_size=15),
    st.integers(1, 8),
    st.integers(3, 40),
)
def test_no_session_is_in_two_splits_however_the_file_is_read(tmp_path_factory, drawn, window, rows_at_once):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    rows = [
        f"{a},{b},{'ab'[label]},{group}" for n, (label, group, steps) in enumerate(drawn) for a, b in signal(n, steps)
    ]
    path.write_text("\n".join(("ax,ay,target,session", *rows)) + "\n")
    data = SensorTable(str(path), window=window, stride=1, normalise=False, skip_unreadable=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgevolve.data.csv_file._ROWS_AT_ONCE", rows_at_once)
        try:
            splits = data.load()
        except DataError as error:
            assert "\n" not in str(error)
            return
    groups = []
    for part in parts(splits):
        owners = np.asarray(part.x[:, :, 0, 0] // 1000).astype(int)
        labels = np.array([label for label, *_ in drawn])[owners]
        sessions = np.array([group for _, group, _ in drawn])[owners]
        assert (labels == part.y[:, np.newaxis]).all() and (sessions == sessions[:, :1]).all()
        groups.append(set(sessions[:, 0].tolist()))
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_time_that_leaps_begins_another_recording_and_tells_the_rate(tmp_path):
    def log(name, ms):
        rows = [
            f"{(n * 1000 + i) * ms},{a},{b},{'ab'[n % 2]}"
            for n in range(12)
            for i, (a, b) in enumerate(signal(n).tolist())
        ]
        (tmp_path / name).write_text("\n".join(("time_ms,ax,ay,label", *rows)) + "\n")
        return plain(tmp_path / name)

    splits = log("log.csv", 10).load()
    assert sum(len(set(recordings(part))) for part in parts(splits)) == 12
    twice = replace(log("slow.csv", 20), rate=100).load()
    assert sum(map(len, parts(twice))) > 1.9 * sum(map(len, parts(splits)))


def ts(path, numbers, text=None, header="@problemName Moves\n@classLabel true walk stand\n@data\n"):
    rows = [
        ":".join((*(",".join(map(str, axis)) for axis in signal(n, 12).T.tolist()), ("walk", "stand")[n % 2]))
        for n in numbers
    ]
    path.write_text("# a comment\n" + header + "\n".join(rows) + "\n" + (text or ""))
    return path


def test_a_ts_file_is_read_with_its_test_file(tmp_path):
    ts(tmp_path / "Moves_TEST.ts", range(30, 38))
    data = SensorTable(str(ts(tmp_path / "Moves_TRAIN.ts", range(24))), normalise=False)
    splits = data.load()
    assert (data.input_shape, data.target.names) == ((12, 1, 2), ("walk", "stand"))
    assert set(recordings(splits.test)) == set(range(30, 38))
    for part in parts(splits):
        assert np.array_equal(part.y, recordings(part) % 2)
    check_data_set(data)
    alone = SensorTable(str(ts(tmp_path / "alone.ts", range(24))), normalise=False).load()
    assert sum(len(set(recordings(part))) for part in parts(alone)) == 24


@pytest.mark.parametrize("turned", [False, True])
def test_an_npz_with_subjects_and_a_test_set(tmp_path, turned):
    steps = np.arange(16, dtype=np.float16 if turned else np.float64)[:, np.newaxis]
    x = np.stack([np.full((16, 3), n % 2) + steps for n in range(40)])
    arrays = {"x": x.transpose(0, 2, 1) if turned else x, "y": np.arange(40) % 2, "subject": np.arange(40) // 5}
    np.savez(tmp_path / "s.npz", **arrays, is_test=np.arange(40) >= 30, class_names=np.array(["off", "on"]))
    data = SensorTable(str(tmp_path / "s.npz"), normalise=False)
    splits = data.load()
    assert (data.input_shape, data.target.names) == ((16, 1, 3), ("off", "on"))
    assert set(splits.test.groups) == {"6", "7"} and not set(splits.train.groups) & set(splits.validation.groups)
    assert np.array_equal(splits.test.x[:, 0, 0, 0].astype(int), splits.test.y)
    assert (splits.train.x[:, 3] - splits.train.x[:, 2] == 1).all()
    check_data_set(data)


def test_an_npz_whose_test_set_has_no_labels_says_that_it_is_left_aside(tmp_path):
    x = np.random.default_rng(0).random((40, 16, 2))
    np.savez(tmp_path / "s.npz", x_train=x, y_train=np.arange(40) % 2, x_test=x[:9])
    assert "x_test is left aside: there is no y_test" in SensorTable(str(tmp_path / "s.npz")).load().notes


def test_an_npz_of_text_labels_without_groups(tmp_path):
    x = np.random.default_rng(0).random((30, 20)).astype(np.float32)
    np.savez(tmp_path / "s.npz", x=x, y=np.array(["up", "down"] * 15))
    data = SensorTable(str(tmp_path / "s.npz"))
    assert (data.input_shape, data.target.names) == ((20, 1, 1), ("down", "up"))
    assert sum(map(len, parts(data.load()))) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((5, "x,1,idle,s0"), "row 6: ax holds 'x', not a number"),
        ((5, "nan,1,idle,s0"), "row 6: ax is missing"),
        ((5, "1,1,,s0"), "row 6: target is missing"),
    ],
)
def test_a_bad_row_is_one_line_or_left_out_on_request(tmp_path, change, message):
    data = plain(nordic(tmp_path / "log.csv", change=change))
    with pytest.raises(DataError, match=f"log.csv: {message}") as caught:
        data.load()
    assert "\n" not in str(caught.value)
    splits = replace(data, window=4, skip_unreadable=True).load()
    steps = [x[:, 0, 0] for part in parts(splits) for x in part.x]
    assert all((np.diff(each) == 1).all() for each in steps)
    assert any(message in note for note in splits.notes)


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", "ax,ay\n1,2\n", {}, "no column target or label; it has ax, ay: label=… names one"),
        ("a.csv", "ax,target\n1,a\n", {}, "every row has the label 'a'"),
        ("a.csv", "ax,target\n1,\n", {}, "has no labelled row"),
        ("a.csv", "target\na\nb\n", {}, "no column is left for a channel"),
        ("a.csv", "ax,target\n1,a\n2,b\n", {"columns": ("az",)}, "no column az; it has ax, target"),
        ("a.csv", "ax,target\n1,a\n2,b\n", {"split": "part"}, "no column part"),
        ("a.csv", "ax,part,target\n1,2,a\n2,,b\n", {"split": "part"}, "row 1: part is '2', no split"),
        ("a.csv", "ax,target\n1,a\n2,b\n", {}, "has 1 steps, a window takes 10"),
        ("a.csv", "ax;ax;target\n1;2;a\n", {}, "two columns are named ax"),
        ("a.csv", "", {}, "is empty"),
        ("a.ts", "hello\n", {}, "line 1: not a .ts file"),
        ("a.ts", "@problemName x\n", {}, "it has no line @data"),
        ("a.ts", "@timestamps true\n@data\n", {}, "holds timestamps"),
        ("a.ts", "@classLabel false\n@data\n1,2\n", {}, "@classLabel names fewer than two classes"),
        ("a.ts", "@classLabel true a b\n@data\n1,2:a\n1,2:c\n", {}, "line 4: has the class 'c', none of a, b"),
        ("a.ts", "@classLabel true a b\n@data\n1,2:a\n1,?:b\n", {}, "line 4: holds a value that is not a number"),
        ("a.ts", "@classLabel true a b\n@data\n1,2:a\n1,NaN:b\n", {}, "line 4: a value is missing"),
        (
            "a.ts",
            "@classLabel true a b\n@data\n1,2:a\n1,2:3,4:b\n",
            {},
            "line 4: has 2 channels, but the first recording has 1",
        ),
        ("a.ts", "@classLabel true a b\n@data\n1,2:3:a\n", {}, "line 3: channels are of different length"),
        ("a.npz", "no archive", {}, "a.npz: not an .npz of plain arrays"),
    ],
)
def test_a_file_that_cannot_be_meant_is_one_line(tmp_path, name, content, options, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as caught:
        plain(tmp_path / name, **options).load()
    assert message in str(caught.value) and "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "has no x; it has y, subject: save x, y and groups by these names"),
        ({"y": None}, "has no y"),
        ({"subject": np.arange(7)}, r"subject must be one for each of 30 examples, it is \(7,\)"),
        ({"x": np.zeros((30, 2, 2, 2))}, "x must be numbers of"),
        ({"x": np.full((30, 9, 2), np.nan)}, "example 0 holds a value that is not a finite number"),
        ({"y": np.linspace(0, 1, 30)}, "y must be 30 whole numbers from 0"),
        ({"x_train": np.zeros((30, 9, 2))}, "has no y_train"),
        ({"is_test": np.arange(30) > 20, "x_test": np.zeros((5, 9, 2))}, "has both is_test and x_test: keep one"),
    ],
)
def test_an_npz_that_does_not_fit_is_one_line(tmp_path, changes, message):
    arrays = {"x": np.random.default_rng(0).random((30, 9, 2)), "y": np.arange(30) % 2, "subject": np.arange(30) // 3}
    np.savez(tmp_path / "s.npz", **{k: v for k, v in (arrays | changes).items() if v is not None})
    with pytest.raises(DataError, match=message) as caught:
        SensorTable(str(tmp_path / "s.npz")).load()
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="No such file"):
        SensorTable(str(tmp_path / "nowhere.npz")).load()


def test_a_search_runs_on_a_table_of_recordings_and_its_class_names_stay(tmp_path, config, run_search):
    data = plain(nordic(tmp_path / "log.csv"), normalise=None)
    run = run_search(config(data=data, space=MlpSpace(data.input_shape, data.classes), evaluations=2))
    assert load_data(run).target.names == ("idle", "run")
