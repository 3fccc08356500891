"""What `check` says of a data set: broken ones are named, good ones pass without a word."""

import os
import re
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edgevolve.data import DataError, Digits, NpzImages, Split, Splits, differs, examine, load_splits


def rng():
    return np.random.default_rng(0)


def pixels(number=120, *shape):
    return rng().integers(0, 256, (number, *(shape or (8, 8))), dtype=np.uint8)


def labels(number=120, classes=3):
    return np.arange(number) % classes


def npz(tmp_path, options=None, **arrays):
    arrays = {"x_train": pixels(), "y_train": labels()} | arrays
    np.savez(tmp_path / "mine.npz", **{name: array for name, array in arrays.items() if array is not None})
    return NpzImages(str(tmp_path / "mine.npz"), **(options or {}))


@dataclass
class Own:
    """A data set of a user's own, whatever is in it."""

    parts: Any
    input_shape: tuple[int, ...] = (8, 8, 1)
    classes: int = 3
    options: dict[str, Any] = field(default_factory=dict)

    def load(self):
        return self.parts if not isinstance(self.parts, list) else Splits(*self.parts, **self.options)


def part(number, start=0, **changes):
    x = np.random.default_rng(start).random((number, 8, 8, 1)).astype(np.float32)
    return Split(**({"x": x, "y": labels(number)} | changes))


def own(first=None, **options):
    """Its training split is `first`."""
    return Own([part(90, 1) if first is None else first, part(30, 2), part(30, 3)], **options)


def failing():
    raise RuntimeError("two\nlines")


def leave():
    raise SystemExit(3)


def missing():
    return np.load("absent.npy")


@dataclass
class Failing(Own):
    """A data set whose `load` calls `parts`."""

    def load(self):
        return self.parts()


class Foreign:
    """An array of another library."""

    shape = (90, 8, 8, 1)
    dtype = "float32"


def with_nan():
    x = part(90, 1).x.copy()
    x[7] = np.nan
    return x


def said(data):
    """All that `check` prints of the data."""
    try:
        report = examine(data, load_splits(data))
    except DataError as error:
        assert "\n" not in str(error)
        assert "allow_pickle" not in str(error)
        return f"refused: {error}"
    assert not any("\n" in line for line in (*report.lines, *report.notes))
    return "\n".join((*report.lines, *(f"note: {note}" for note in report.notes)))


BROKEN = {
    "labels from 1": (dict(y_train=labels() + 1), "note: no example has label 0, .* y - 1 leaves it out"),
    "labels with gaps": (dict(y_train=labels() * 3), "note: no example has label 1, 2, 4, 5, .*return_inverse"),
    "labels -1 and 1": (dict(y_train=labels(120, 2) * 2 - 1), r"refused: .* it holds -1; write np.where\(y_train < 0"),
    "one-hot": (dict(y_train=np.eye(3)[labels()]), r"refused: .* one-hot, \(120, 3\); write y_train.argmax\(1\)"),
    "floats": (dict(y_train=labels().astype(float)), r"refused: .* float64; write y_train.astype\(np.int64\)"),
    "half a class": (dict(y_train=labels() / 2), "refused: .* float64; it holds 0.5"),
    "words": (dict(y_train=np.array(["cat", "dog", "cow"])[labels()]), "refused: .* such as 'cat'; .*return_inverse"),
    "one class": (dict(y_train=labels() * 0), "refused: .* every label is 0; a classifier needs at least two classes"),
    "a single example of a class": (
        dict(y_train=np.where(np.arange(120) == 7, 2, labels(120, 2))),
        "refused: .*cannot hold out 20% of 120 examples: class 2 has a single one",
    ),
    "a single label": (dict(y_train=np.int64(3)), "refused: .*y_train is a single value"),
    "x and y in each other's place": (dict(x_train=labels(), y_train=pixels()), "refused: .*x_train must be"),
    "number of images last": (dict(x_train=pixels(8, 8, 120)), r"refused: .*first axis of x, it is int64 \(120,\)"),
    "fewer labels": (dict(y_train=labels(117)), r"refused: .*y_train must be 120 whole numbers.* it is int64 \(117,\)"),
    "channels first": (dict(x_train=pixels(120, 3, 8, 8)), r"refused: .*\(120, 3, 8, 8\).*channels_first=True"),
    "perhaps channels first": (dict(x_train=pixels(120, 3, 9, 8)), "note: x_train is read as 3×9 with 8 channels"),
    "floats to 255": (dict(x_train=pixels().astype(float)), "note: x_train holds floats from 0 to 255: standardised"),
    "floats to 255 left alone": (
        dict(x_train=pixels().astype(float), options={"normalise": False}),
        "note: x holds float32 from 0 to 255, taken as it is; many networks learn nothing",
    ),
    "bytes of 0 and 1": (dict(x_train=pixels() % 2), "note: x is uint8 from 0 to 1 and read as value / 255"),
    "whole numbers": (dict(x_train=pixels().astype(np.int64)), r"refused: .*int64 from 0 to 255; x_train.astype"),
    "all black": (dict(x_train=pixels() * 0), "refused: .* every value of train is 0"),
    "a table": (dict(x_train=pixels(120, 13)), r"refused: .*reshape\(120, 1, 1, 13\)"),
    "not finite": (dict(x_train=np.full((120, 8, 8), np.inf)), "refused: .* not finite in float32: inf in row 0"),
    "beyond float32": (
        dict(x_train=np.full((120, 8, 8), 1e300)),
        "refused: .* not finite in float32: 1e\\+300 in row 0",
    ),
    "x_test alone": (dict(x_test=pixels(12)), "note: x_test is left aside: there is no y_test"),
    "x_val alone": (
        dict(x_val=pixels(9)),
        "note: x_val is left aside: there is no y_val; the validation split is held",
    ),
    "other arrays": (dict(subject=labels()), "note: left aside: subject; persons or sessions named groups_train stay"),
    "numbers that are no labels": (dict(y_train=np.arange(120)), "refused: .* 120 different labels, are these class"),
    "windows without an axis": (
        dict(x_train=rng().normal(0, 1, (120, 64, 6))),
        r"note: x_train is read as images of 64×6 with one channel; .* save x_train\[:, :, np.newaxis, :\]",
    ),
    "a channel of one value": (
        dict(x_train=np.stack([pixels(), pixels() * 0 + 9], axis=-1)),
        "note: channel 1 of x has the same value in every example of train",
    ),
    "other names": (
        dict(x_train=None, y_train=None, train_images=pixels(), train_labels=labels()),
        "refused: .* has no x_train and no y_train; it has train_images, train_labels",
    ),
    "test of another type": (
        dict(x_test=pixels(12).astype(float), y_test=labels(12)),
        "refused: .*x_test is float32 and x_train uint8",
    ),
    "test of another shape": (
        dict(x_test=pixels(12, 9, 9), y_test=labels(12)),
        r"refused: .*x_test are \(9, 9, 1\), those of x_train \(8, 8, 1\)",
    ),
    "test of more classes": (
        dict(x_test=pixels(12), y_test=labels(12, 5)),
        "refused: .*y_test holds label 4, the highest of y_train is 2",
    ),
    "test is of train": (
        dict(x_test=pixels()[:12], y_test=labels(12)),
        "note: .* examples of test are in train too .*row 0",
    ),
    "objects": (dict(x_train=np.array([{}] * 120)), "refused: .*x_train holds Python objects"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_archive_is_named(tmp_path, kind):
    arrays, message = BROKEN[kind]
    heard = said(npz(tmp_path, **arrays))
    assert any(matches(message, line) for line in heard.splitlines()), heard


def matches(pattern, line):
    return re.search(pattern, line) is not None


OWN = {
    "a tuple": (lambda: Own((part(9), part(9), part(9))), r"Own.load\(\) gives a tuple; it must give Splits"),
    "no split": (lambda: own((1, 2)), "train is a tuple; it must be a Split"),
    "lists": (lambda: own(part(90, x=part(90).x.tolist())), r"train.x is a list; write np.asarray\(x\)"),
    "lengths": (lambda: own(part(90, y=labels(87))), "train has 90 examples in x and 87 in y"),
    "another shape": (lambda: own(input_shape=(9, 8, 1)), r"examples of \(8, 8, 1\), input_shape says \(9, 8, 1\)"),
    "not a number": (lambda: own(part(90, x=with_nan())), r"train.x holds nan in row 7 \(1 such rows\)"),
    "one-hot": (lambda: own(part(90, y=np.eye(3)[labels(90)])), r"train.y is one-hot, \(90, 3\); .*argmax"),
    "more classes": (lambda: own(classes=2), "train.y holds label 2; 2 classes have labels from 0 to 1"),
    "negative": (lambda: own(part(90, y=labels(90) - 1)), "train.y holds label -1"),
    "float labels": (lambda: own(part(90, y=labels(90) + 0.5)), r"train.y is float64.* target = Values\(...\)"),
    "whole float labels": (lambda: own(part(90, y=labels(90) + 0.0)), r"train.y is float64.*: y.astype\(np.int64\)"),
    "labels in words": (lambda: own(part(90, y=np.array(list("abc"))[labels(90)])), "train.y is <U1.*return_inverse"),
    "no channel": (lambda: own(part(90, x=part(90).x[..., 0])), r"examples of \(8, 8\), .* write x\[..., np.newaxis\]"),
    "arrays of another library": (lambda: own(part(90, x=Foreign())), r"train.x is a Foreign; write np.asarray\(x\)"),
    "a missing split": (lambda: Own([part(90), None, part(9)]), r"validation is None; it must be a Split\(x, y\)"),
    "an exit": (lambda: Failing(leave), r"Failing.load\(\) failed: SystemExit: 3 \(test_examine.py, line \d+\)"),
    "no such file": (lambda: Failing(missing), r"No such file.*test_examine.py, line \d+\); looked in /.*__file__"),
    "words": (lambda: own(part(90, x=np.full((90, 8, 8, 1), "a"))), "train.x holds <U1, not numbers"),
    "nothing": (lambda: own(part(0)), "train has no example"),
    "groups": (lambda: own(part(90, groups=labels(80))), r"train.groups is \(80,\)"),
    "an error": (
        lambda: type("Own", (), {"input_shape": (1,), "classes": 2, "load": lambda self: failing()})(),
        r"Own.load\(\) failed: RuntimeError: two lines",
    ),
}


@pytest.mark.parametrize("kind", OWN)
def test_a_broken_data_set_of_a_users_own_is_refused_in_one_line(kind):
    make, message = OWN[kind]
    heard = said(make())
    assert heard.startswith("refused: ")
    assert matches(message, heard), heard


def test_what_is_odd_in_a_data_set_of_a_users_own_is_noted():
    shared = Own([part(90, 1, groups=labels(90, 9)), part(30, 2, groups=labels(30, 4)), part(30, 3)])
    assert "note: group 0 is in train and in validation (4 such groups)" in said(shared)
    bright = part(30, 3)
    assert "note: test reaches" in said(Own([part(90, 1), part(30, 2), Split(bright.x * 255, bright.y)]))
    assert "note: validation has no example of class 2" in said(Own([part(90, 1), part(2, 2), part(30, 3)]))


def test_a_data_set_that_gives_other_rows_each_time_is_noted():
    class Restless(Own):
        def load(self):
            return Splits(*(part(n, np.random.default_rng().integers(2**32)) for n in (90, 30, 30)))

    restless = Restless(None)
    (note,) = differs(restless, load_splits(restless))
    assert note.startswith("Restless.load() gives other rows each time")
    assert list(differs(own(), load_splits(own()))) == []
    assert list(differs(Digits(), load_splits(Digits()))) == []


GOOD = {
    "digits": lambda folder: Digits(),
    "grey images": lambda folder: npz(folder),
    "frames of ten coefficients": lambda folder: npz(folder, x_train=pixels(120, 49, 10)),
    "colour images": lambda folder: npz(folder, x_train=pixels(120, 8, 8, 3)),
    "an official test set": lambda folder: npz(folder, x_test=pixels(140)[120:], y_test=labels(20)),
    "floats from 0 to 1": lambda folder: npz(folder, x_train=pixels() / 255),
    "floats from -1 to 1": lambda folder: npz(folder, x_train=pixels() / 127.5 - 1),
    "standardised windows": lambda folder: npz(folder, x_train=rng().normal(0, 1, (120, 64, 1, 6))),
    "two classes": lambda folder: npz(folder, y_train=labels(120, 2)),
    "a class twice as frequent": lambda folder: npz(folder, y_train=labels(120, 4) % 3),
    "labels of one byte in a column": lambda folder: npz(folder, y_train=labels().astype(np.uint8)[:, np.newaxis]),
    "groups": lambda folder: npz(folder, groups_train=np.arange(120) // 6),
    "half precision": lambda folder: npz(folder, x_train=(pixels() / 255).astype(np.float16)),
    "big-endian in Fortran's order": lambda folder: npz(
        folder, x_train=np.asfortranarray(pixels() / 255).astype(">f8")
    ),
    "one of a user's own": lambda folder: own(),
}


@pytest.mark.parametrize("kind", GOOD)
def test_of_a_good_data_set_nothing_is_noted(tmp_path, kind):
    data = GOOD[kind](tmp_path)
    report = examine(data, load_splits(data))
    assert report.notes == ()
    assert "×".join(map(str, data.input_shape)) in report.lines[0]
    assert "train" in report.lines[1]


def test_a_validation_split_of_the_archive_is_taken(tmp_path):
    data = npz(tmp_path, x_val=pixels(9), y_val=labels(9))
    splits = load_splits(data)
    assert len(splits.validation) == 9
    assert np.array_equal(splits.validation.x[:], pixels(9)[..., np.newaxis])
    assert len(splits.train) + len(splits.test) == 120
    assert matches(
        "y_val holds label 3, the highest of y_train is 2", said(npz(tmp_path, x_val=pixels(9), y_val=labels(9, 4)))
    )


def test_a_file_that_was_cut_is_named_as_such(tmp_path):
    data = npz(tmp_path)
    content = (tmp_path / "mine.npz").read_bytes()
    (tmp_path / "mine.npz").write_bytes(content[: len(content) // 2])
    assert "the file is damaged, or was not copied to its end" in said(data)


def test_the_data_are_shown_with_shape_range_splits_and_classes(tmp_path):
    lines = said(npz(tmp_path)).splitlines()
    assert lines[0] == "NpzImages: examples of 8×8×1, uint8, values from 0 to 255"
    assert lines[1] == "examples: 86 train, 10 validation, 24 test"
    assert lines[2] == "3 classes in train: 0: 28, 1: 29, 2: 29"


def test_channels_are_read_as_asked(tmp_path):
    x = pixels(120, 3, 8, 8)
    first = npz(tmp_path, options={"channels_first": True}, x_train=x)
    assert first.input_shape == (8, 8, 3)
    assert np.array_equal(
        first.load().test.x[0], np.moveaxis(npz(tmp_path, {"channels_first": False}, x_train=x).load().test.x[0], 0, -1)
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("alone.npy", "holds one array; an .npz holds several"),
        ("table.csv", "a text file, which Table and SensorTable read, not an .npz"),
        ("pipe.npz", "not a regular file"),
        ("folder.npz", "is a folder; an .npz is needed"),
        ("bomb.npz", "x_train takes 1073.7 GiB in memory|the size of x_train is not the one in its header"),
        ("absent.npz", "No such file"),
    ],
)
def test_a_file_that_is_no_archive_of_arrays_is_named(tmp_path, name, message):
    np.save(tmp_path / "alone.npy", pixels())
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for member in ("x_train.npy", "y_train.npy"):
            with archive.open(member, "w") as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 1, 1)}
                )
                file.write(bytes(1000))
    heard = said(NpzImages(str(tmp_path / name)))
    assert heard.startswith("refused: ")
    assert matches(f"{name}: .*({message})|{message}", heard), heard


def test_an_archive_that_unpacks_to_more_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    data = npz(tmp_path)
    np.savez_compressed(tmp_path / "mine.npz", x_train=pixels() * 0, y_train=labels())
    monkeypatch.setattr("edgevolve.data.npz_file.memory_bytes", lambda: 5000)
    assert matches("x_train takes 0.0 GiB in memory, .* np.savez, uncompressed", said(data))


def test_a_missing_file_is_looked_for_where_the_message_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"(looked in {tmp_path}" in said(NpzImages("absent.npz"))
