"""Recordings in folders: windows that never cross a recording or a split, layouts, rates, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.data import DataError, SensorFolder
from edgevolve.data.folder import Place
from edgevolve.data.recordings import Windows, resampled, windowed
from edgevolve.data.unreadable import Unreadable
from edgevolve.runs.provenance import load_data
from edgevolve.testing import check_data_set
from search_space import MlpSpace

AXES = ("ax", "ay", "az")


def signal(number, steps=100):
    """Every value tells its recording and its step."""
    return number * 1000 + np.arange(steps)[:, np.newaxis] + np.array([0, 0.25, 0.5])


def lines(values, ms=10, time="timestamp", sign=","):
    head = sign.join((time, *AXES))
    rows = (sign.join(map(str, (i * ms, *row))) for i, row in enumerate(values.tolist()))
    return "\n".join((head, *rows)) + "\n"


def save(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def folder(tmp_path):
    top = tmp_path / "moves"
    for number in range(16):
        save(top / ("run", "walk")[number % 2] / f"s{number // 4}_{number}.csv", lines(signal(number)))
    return top


def parts(splits):
    return splits.train, splits.validation, splits.test


def recordings(part):
    """Of which recording each window is; no window is of two."""
    owners = np.asarray(part.x[:]) // 1000
    assert (owners == owners[:, :1, :, :1]).all()
    return owners[:, 0, 0, 0].astype(int)


def plain(folder, **options):
    return SensorFolder(str(folder), **{"window": 20, "normalise": False, **options})


def test_windows_are_of_one_recording_and_recordings_of_one_split(folder):
    data = plain(folder, stride=5)
    splits = data.load()
    assert (data.input_shape, data.target.names) == ((20, 1, 3), ("run", "walk"))
    owners = [recordings(part) for part in parts(splits)]
    assert sum(len(set(each)) for each in owners) == 16
    assert sum(map(len, owners)) == 16 * 17
    for part, each in zip(parts(splits), owners, strict=True):
        assert np.array_equal(part.y, each % 2)
        assert (np.diff(part.x[:, :, 0, 0], axis=1) == 1).all()
    assert splits.notes[0].startswith("split: test and validation held out by recording, seed 0 (")
    assert "272 windows of 20 steps, one each 5, of 16 recordings" in splits.notes
    check_data_set(data)


def test_channels_are_standardised_where_they_need_it(folder):
    splits = SensorFolder(str(folder), window=20).load()
    assert splits.front_end.name == "standardise"
    assert np.abs(splits.train.x.mean(axis=(0, 1, 2))).max() < 1e-3


def test_recordings_of_a_group_stay_together(folder):
    splits = plain(folder, group=r"(s\d)_").load()
    groups = [set(part.groups) for part in parts(splits)]
    assert set.union(*groups) == {"s0", "s1", "s2", "s3"} and sum(map(len, groups)) == 4
    assert splits.notes[0].startswith("split: test and validation held out by group")


def test_a_class_of_one_long_recording_is_divided_in_time_without_overlap(tmp_path):
    for number, name in enumerate(("idle", "run")):
        save(tmp_path / f"{name}.csv", lines(signal(number, 900)))
    splits = plain(tmp_path, stride=1).load()
    steps = [set(np.asarray(part.x)[:, :, 0, 0].ravel().tolist()) for part in parts(splits)]
    assert not (steps[0] & steps[1] or steps[0] & steps[2] or steps[1] & steps[2])
    assert all(set(part.y.tolist()) == {0, 1} for part in (splits.train, splits.test))
    assert any(note.startswith("fewer than 3 recordings of idle, run: divided in time") for note in splits.notes)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(1, 60)), min_size=6, max_size=20),
    st.integers(1, 12),
    st.integers(1, 9),
    st.booleans(),
    st.integers(0, 3),
)
def test_no_step_is_in_two_splits_and_no_window_in_two_recordings(drawn, window, stride, grouped, seed):
    names = ("a", "b", "c")
    classes = tuple(sorted({names[label] for label, *_ in drawn}))
    data = SensorFolder("x", window=window, stride=stride, seed=seed, normalise=False)
    pieces = [
        (Place(f"{n}", f"{n}", names[label], "", f"g{group}" if grouped else ""), signal(n, steps))
        for n, (label, group, steps) in enumerate(drawn)
    ]
    try:
        splits = windowed(pieces, classes, 3, data, "group" if grouped else "", Unreadable(True))
    except DataError as error:
        assert "\n" not in str(error)
        return
    steps, groups = [], []
    for part in parts(splits):
        owners = recordings(part)
        assert [classes[label] for label in part.y] == [names[drawn[owner][0]] for owner in owners]
        steps.append(set(np.asarray(part.x[:])[..., 0].ravel().tolist()))
        groups.append({drawn[owner][1] for owner in owners} if grouped else set())
    assert sum(map(len, steps)) == len(set.union(*steps))
    assert sum(map(len, groups)) == len(set.union(*groups))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 80), min_size=1, max_size=20), st.integers(1, 20), st.data())
def test_windows_on_demand_are_the_windows(starts, length, drawn):
    source = np.random.default_rng(0).random((100, 2)).astype(np.float32)
    windows = Windows(source, np.array(starts), length)
    whole = np.stack([source[start : start + length] for start in starts])[:, :, np.newaxis]
    assert windows.shape == whole.shape and np.array_equal(windows[:], whole)
    index = drawn.draw(st.lists(st.integers(0, len(starts) - 1), max_size=5))
    assert np.array_equal(windows[np.array(index, int)], whole[np.array(index, int)])
    assert np.array_equal(windows[index[0] if index else 0], whole[index[0] if index else 0])


def test_what_exceeds_memory_lies_in_a_file_and_is_the_same(folder, monkeypatch):
    data = SensorFolder(str(folder), window=20, stride=3)
    whole = data.load()
    monkeypatch.setattr("edgevolve.data.spool.IN_MEMORY_BYTES", 1000)
    stored = replace(data, skip_unreadable=True).load()
    assert not isinstance(stored.train.x, np.ndarray)
    for one, other in zip(parts(whole), parts(stored), strict=True):
        assert np.allclose(one.x, other.x[:], atol=1e-4) and np.array_equal(one.y, other.y)


def test_one_signal_a_line_with_interleaved_axes(tmp_path):
    for label, name in enumerate(("fault", "ok")):
        rows = [" ".join(map(str, signal(2 * n + label, 30).ravel().tolist())) for n in range(9)]
        save(tmp_path / f"{name}.txt", "\n".join(rows) + "\n")
    data = SensorFolder(str(tmp_path), axes=3, normalise=False)
    splits = data.load()
    assert data.input_shape == splits.train.x.shape[1:] == (30, 1, 3)
    assert sum(len(set(recordings(part))) for part in parts(splits)) == 18
    check_data_set(data)


def test_the_layout_of_ti_with_its_lists_and_its_time_column(tmp_path):
    for number in range(24):
        save(
            tmp_path / "classes" / "ab"[number % 2] / f"{number}.csv", lines(signal(number), time="Time(sec)", ms=0.01)
        )
    for name, numbers in (("train", range(16)), ("val", range(16, 20)), ("test", range(20, 23))):
        text = "".join(f"{'ab'[n % 2]}/{n}.csv\n" for n in numbers)
        save(tmp_path / "annotations" / f"instances_{name}_list.txt", text)
    splits = plain(tmp_path).load()
    assert [set(recordings(part)) for part in parts(splits)] == [set(range(16)), set(range(16, 20)), {20, 21, 22}]
    assert any("1 files that are in no list" in note for note in splits.notes)


def test_edge_impulse_names_classes_in_file_names(tmp_path):
    for number in range(24):
        place = tmp_path / ("training", "testing")[number % 3 == 0] / f"{('idle', 'wave')[number % 2]}.{number}x.csv"
        save(place, lines(signal(number)))
    data = plain(tmp_path)
    assert data.target.names == ("idle", "wave")
    assert set(recordings(data.load().test)) == set(range(0, 24, 3))


def test_arrays_and_chosen_columns(tmp_path, folder):
    for number in range(8):
        path = tmp_path / "arrays" / "ab"[number % 2] / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, signal(number))
    assert plain(tmp_path / "arrays").input_shape == (20, 1, 3)
    assert sum(len(set(recordings(part))) for part in parts(plain(tmp_path / "arrays").load())) == 8
    assert plain(folder, columns=("az", "ax")).load().train.x[0, 0, 0].tolist()[0] % 1 == 0.5
    assert plain(folder, columns="ay").input_shape == (20, 1, 1)


def test_another_rate_is_refused_or_resampled(folder):
    t = np.arange(50)[:, np.newaxis]
    save(folder / "run" / "slow.csv", lines(16_000 + 2.0 * t + np.array([0, 0.25, 0.5]), ms=20))
    with pytest.raises(DataError, match=r"slow\.csv: is at 50 Hz, the first at 100 Hz; rate=100 resamples all"):
        plain(folder).load()
    splits = plain(folder, rate=100).load()
    slow = [x for part in parts(splits) for x in part.x if 15_990 < x[0, 0, 0] < 16_110]
    assert len(slow) == 9
    inner = np.concatenate([np.diff(x[:, 0, 0]) for x in slow[1:-1]])
    assert np.abs(inner - 1).max() < 0.05


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "odd.csv: is empty"),
        ("timestamp,ax,ay,az\n", "odd.csv: has no row below its header"),
        ("ax,ay\n1,2\n", "odd.csv: has no column az; it has ax, ay"),
        ("ax,ay,az\n1,2,3\n4,x,6\n", "odd.csv: row 2: ay holds 'x', not a number"),
        ("ax,ay,az\n1,2,3\n4,,6\n", "odd.csv: row 2: ay is missing"),
        ("ax,ay,az\n1,2,3\n4,nan,6\n", "odd.csv: row 2: ay is missing"),
        ("ax,ay,az\n1,2,3\n4,5,1e39\n", "odd.csv: row 2: holds a value that is not a finite number"),
        ("ax,ay,az\n1,2,3\n4,5,6,7\n", "odd.csv: not a table of 3 columns"),
        ("ax,ax,az\n1,2,3\n", "odd.csv: two columns are named ax"),
        ("ax,ay,az\n1,2,3\n", "odd.csv: has 1 steps, a window takes 20"),
        ("timestamp,ax,ay,az\n0,1,2,3\n10,1,2,3\n5,1,2,3\n", "odd.csv: row 3: timestamp does not increase"),
        (
            "timestamp,ax,ay,az\n0,1,2,3\n9,1,2,3\n18,1,2,3\n99,1,2,3\n",
            "odd.csv: row 4: timestamp jumps by 81, its usual step is 9",
        ),
    ],
)
def test_an_unreadable_file_is_one_line_or_left_out_on_request(folder, text, message):
    save(folder / "walk" / "odd.csv", text)
    data = plain(folder)
    with pytest.raises(DataError, match=message) as caught:
        data.load()
    assert "\n" not in str(caught.value) and "skip_unreadable=True" in str(caught.value)
    splits = replace(data, skip_unreadable=True).load()
    assert sum(len(set(recordings(part))) for part in parts(splits)) == 16
    assert any("1 left out as unreadable" in note and message in note for note in splits.notes)


def test_bytes_that_are_no_text_and_arrays_that_are_none(folder):
    (folder / "run" / "odd.csv").write_bytes(b"\xff\x00\x12")
    with pytest.raises(DataError, match="odd.csv: is not text"):
        plain(folder).load()
    (folder / "run" / "odd.csv").unlink()
    np.save(folder / "run" / "odd.npy", np.array([{}], object))
    with pytest.raises(DataError, match="odd.npy: is not an array"):
        plain(folder).load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window must be a number of steps from 1, not 0"),
        ({"stride": 2.5}, "stride must be a number of steps from 1, not 2.5"),
        ({"axes": 0}, "axes must be from 1"),
        ({"window": 500}, "has 100 steps, a window takes 500"),
        ({"axes": 7}, "line 1 has 4 values, not a multiple of axes=7"),
        ({"columns": ("gx",)}, "has no column gx; it has timestamp, ax, ay, az"),
        ({"group": "(x"}, "is not a regular expression"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(folder, options, message):
    with pytest.raises(DataError, match=message) as caught:
        plain(folder, **options).load()
    assert "\n" not in str(caught.value)


def test_recordings_of_different_length_need_a_window(folder):
    save(folder / "run" / "short.csv", lines(signal(20, 60)))
    with pytest.raises(
        DataError, match=r"different length, 100 steps and 60 \(run/short.csv\); window=60 takes windows"
    ):
        plain(folder, window=None).load()


def test_a_search_runs_on_recordings_and_their_class_names_stay(folder, config, run_search):
    data = SensorFolder(str(folder), window=20)
    run = run_search(config(data=data, space=MlpSpace(data.input_shape, data.classes), evaluations=2))
    assert load_data(run).target.names == ("run", "walk")


@pytest.mark.parametrize("wanted", [25, 62.5, 104, 200])
def test_a_slow_wave_on_an_offset_is_the_same_wave_at_another_rate(wanted):
    def wave(rate):
        t = np.arange(int(4 * rate))[:, np.newaxis] / rate
        return 9.81 + 0.1 * t + np.sin(2 * np.pi * 2 * t)

    again = resampled(wave(100), 100, wanted)
    inner = slice(int(wanted / 2), int(3.4 * wanted))
    assert abs(len(again) - 4 * wanted) <= 1
    assert np.abs(again - wave(wanted)[: len(again)])[inner].max() < 0.02
