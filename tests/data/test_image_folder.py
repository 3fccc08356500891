"""Images in folders: layouts, sizes, groups and splits that are read, and what is refused in one line."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgevolve.data import DataError, ImageFolder, StoredArray, examine, load_splits
from edgevolve.runs.provenance import load_data
from edgevolve.testing import check_data_set
from search_space import MlpSpace

SIDE = 20


def picture(seed, channels=1, side=SIDE):
    """Smooth, so that JPEG keeps it."""
    rng = np.random.default_rng(seed)
    small = rng.integers(30, 220, (5, 5, channels), np.uint8)
    large = Image.fromarray(small[..., 0] if channels == 1 else small).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(large)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Three classes of 12 grey images."""
    top = tmp_path / "photos"
    for label, name in enumerate(("cat", "dog", "owl")):
        for number in range(12):
            save(top / name / f"{number}.png", picture(100 * label + number))
    return top


def parts(splits):
    return splits.train, splits.validation, splits.test


def test_folders_are_classes_and_every_image_is_in_one_split(folder):
    data = ImageFolder(str(folder))
    splits = data.load()
    assert (data.input_shape, data.target.names) == ((SIDE, SIDE, 1), ("cat", "dog", "owl"))
    rows = {(x.tobytes(), int(y)) for part in parts(splits) for x, y in zip(part.x, part.y, strict=True)}
    assert rows == {(picture(100 * label + number).tobytes(), label) for label in range(3) for number in range(12)}
    assert sum(map(len, parts(splits))) == 36
    assert splits.notes[0] == "split: test and validation held out by file, seed 0"
    check_data_set(data)


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("training", "val", "testing")])
def test_given_splits_are_honoured(tmp_path, names):
    for part, name in enumerate(names):
        for number in range(12):
            save(tmp_path / name / "ab"[number % 2] / f"{number}.png", picture(20 * part + number))
    splits = ImageFolder(str(tmp_path)).load()
    for number, part in enumerate(parts(splits)):
        assert {x.tobytes() for x in part.x} == {picture(20 * number + n).tobytes() for n in range(12)}
    assert splits.notes[0] == "split: test and validation as given"


def test_lists_of_files_give_a_split(folder):
    (folder / "testing_list.txt").write_text("cat/0.png\ndog/1.png\nowl/2.png\n")
    (folder / "validation_list.txt").write_text("cat/3.png\r\ndog/3.png\r\n")
    splits = ImageFolder(str(folder)).load()
    assert [len(part) for part in parts(splits)] == [31, 2, 3]
    assert {x.tobytes() for x in splits.test.x} == {picture(number).tobytes() for number in (0, 101, 202)}


def test_files_named_by_their_class_need_no_folders(tmp_path):
    for number in range(24):
        save(tmp_path / "training" / f"{'on' if number % 2 else 'off'}.{number:03}.png", picture(number))
        save(tmp_path / "testing" / f"{'on' if number % 2 else 'off'}.{number:03}.png", picture(50 + number))
    data = ImageFolder(str(tmp_path))
    assert data.target.names == ("off", "on")
    assert len(data.load().test) == 24


def test_sizes_and_colours_are_as_asked_for(folder):
    save(folder / "cat" / "wide.jpg", picture(1, 3, 64))
    with pytest.raises(
        DataError, match=r"wide\.jpg: has 64×64 pixels, the first image 20×20; size=\(20, 20\) resizes all"
    ):
        ImageFolder(str(folder)).load()
    assert ImageFolder(str(folder), size=(10, 12)).load().train.x.shape[1:] == (10, 12, 1)
    data = ImageFolder(str(folder), size=16, colour=True)
    assert data.input_shape == data.load().train.x.shape[1:] == (16, 16, 3)
    assert ImageFolder(str(folder)).input_shape == (SIDE, SIDE, 1)
    note = "1 images have colour and are read as grey, as the first are; colour=True keeps it"
    assert note in ImageFolder(str(folder), size=16).load().notes
    assert note not in ImageFolder(str(folder), size=16, colour=False).load().notes


def test_colour_is_kept_where_images_have_it_and_exif_turns_them(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    for number in range(12):
        pixels = np.ascontiguousarray(picture(number, 3)[: SIDE // 2])
        save(tmp_path / "ab"[number % 2] / f"{number}.jpg", pixels, quality=95, exif=turned)
    data = ImageFolder(str(tmp_path))
    assert data.input_shape == data.load().train.x.shape[1:] == (SIDE, SIDE // 2, 3)
    upright = picture(0, 3)[: SIDE // 2]
    split = ImageFolder(str(tmp_path), test_fraction=0.5, validation_fraction=0.5).load()
    errors = [np.abs(x - np.rot90(upright, -1).astype(float)).mean() for part in parts(split) for x in part.x]
    assert min(errors) < 10


def test_sixteen_bits_and_palettes_are_read_as_what_they_show(tmp_path):
    grey = picture(1)
    for number in range(12):
        save(tmp_path / "ab"[number % 2] / f"{number}.png", grey if number % 2 else grey.astype(np.uint16) * 257)
        Image.fromarray(grey).convert("P").save(tmp_path / "ab"[number % 2] / f"p{number}.png")
    splits = ImageFolder(str(tmp_path)).load()
    assert all((x[..., 0] == grey).all() for part in parts(splits) for x in part.x)


def test_images_of_a_group_stay_together(folder):
    splits = ImageFolder(str(folder), group=r"/(\d)").load()
    groups = [set(part.groups) for part in parts(splits)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 10
    assert splits.notes[0].startswith("split: test and validation held out by group")


def test_sub_folders_of_classes_are_groups(tmp_path):
    for number in range(48):
        save(tmp_path / "ab"[number % 2] / f"video{number % 8}" / f"{number}.png", picture(number))
    data = ImageFolder(str(tmp_path))
    splits = data.load()
    groups = [set(part.groups) for part in parts(splits)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 8
    check_data_set(data)


def test_what_exceeds_memory_lies_in_a_file_and_is_the_same(folder, monkeypatch):
    whole = ImageFolder(str(folder)).load()
    monkeypatch.setattr("edgevolve.data.spool.IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("edgevolve.data.image_folder.CHUNK_BYTES", 3000)
    stored = ImageFolder(str(folder), skip_unreadable=True).load()
    assert isinstance(stored.train.x.source, StoredArray)
    for one, other in zip(parts(whole), parts(stored), strict=True):
        assert np.array_equal(one.x, other.x[:]) and np.array_equal(one.y, other.y)


def broken(folder, kind):
    path = folder / "cat" / "odd.png"
    if kind == "empty file":
        path.write_bytes(b"")
    elif kind == "no image":
        path.write_bytes(b"not an image at all")
    elif kind == "cut off":
        path.write_bytes((folder / "cat" / "1.png").read_bytes()[:80])
    elif kind == "header alone":
        path.write_bytes((folder / "cat" / "1.png").read_bytes()[:20])
    elif kind == "another size":
        save(path, picture(1, side=30))
    elif kind == "huge":
        Image.new("1", (9000, 9000)).save(path)
    elif kind == "very huge":
        Image.new("1", (20000, 20000)).save(path)
    elif kind == "a gif by another name":
        Image.fromarray(picture(1)).save(path, format="GIF")
    elif kind == "a loop of links":
        (folder / "cat" / "again").symlink_to(folder)
    elif kind == "a link to itself":
        path.symlink_to(path)
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link to nothing":
        path.symlink_to(folder / "nothing")
    else:
        raise AssertionError(kind)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty file", "odd.png: is empty"),
        ("no image", "odd.png: not a PNG, JPEG or BMP"),
        ("cut off", "odd.png: cannot be decoded"),
        ("header alone", "odd.png: "),
        ("another size", "odd.png: has 30×30 pixels, the first image 20×20"),
        ("huge", "odd.png: 9000×9000 pixels; up to 64 million are read"),
        ("very huge", "odd.png: too many pixels; up to 64 million are read"),
        ("a gif by another name", "odd.png: not a PNG, JPEG or BMP"),
        ("a loop of links", "again: a link that leads back to a folder above it"),
        ("a link to itself", "odd.png: Too many levels of symbolic links"),
        ("a link to nothing", "odd.png: No such file"),
        ("a pipe", "odd.png: not a regular file"),
    ],
)
def test_an_unreadable_file_is_one_line_or_left_out_on_request(folder, kind, message):
    broken(folder, kind)
    data = ImageFolder(str(folder))
    with pytest.raises(DataError, match=message) as caught:
        data.load()
    assert "\n" not in str(caught.value) and "skip_unreadable=True" in str(caught.value)
    splits = replace(data, skip_unreadable=True).load()
    assert sum(map(len, parts(splits))) == 36
    assert any("1 left out as unreadable" in note and message in note for note in splits.notes)


def test_a_folder_that_gives_no_data_set_is_one_line(tmp_path, folder):
    def refused(path, **options):
        with pytest.raises(DataError) as caught:
            ImageFolder(str(path), **options).load()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    (tmp_path / "none").mkdir()
    assert "no file of .bmp, .jpeg, .jpg, .png in it; make one folder for each class" in refused(tmp_path / "none")
    assert refused("nowhere").startswith("nowhere: no such folder (looked in ")
    assert "is a file; a folder of classes is needed" in refused(folder / "cat" / "1.png")
    save(tmp_path / "one" / "cat" / "1.png", picture(1))
    assert "every file is of class cat" in refused(tmp_path / "one")
    save(tmp_path / "one" / "dog" / "1.png", picture(2))
    assert "class cat has 1 example to divide; each split needs one: 3 or more" in refused(tmp_path / "one")
    (folder / "test").mkdir()
    os.rename(folder / "cat", folder / "test" / "cat")
    assert "group='(' is not a regular expression" in refused(folder, group="(")
    assert "does not match dog/0.png" in refused(folder, group="(scene)")
    assert "size must be (height, width)" in refused(folder, size=(0, 3))
    assert "nul" in refused("nul\0")


def test_a_class_none_of_whose_files_can_be_read_is_one_line(tmp_path, folder):
    (folder / "ant").mkdir()
    (folder / "ant" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of the files of class ant can be read"):
        ImageFolder(str(folder), skip_unreadable=True).load()


def test_names_that_are_not_utf_8(tmp_path, folder):
    os.rename(os.fsencode(folder / "cat" / "1.png"), os.fsencode(folder / "cat") + b"/caf\xe9.png")
    assert sum(map(len, parts(ImageFolder(str(folder)).load()))) == 36
    os.rename(os.fsencode(folder / "cat"), os.fsencode(folder) + b"/caf\xe9")
    with pytest.raises(DataError, match=r"class caf\\xe9 has a name that is not UTF-8"):
        ImageFolder(str(folder)).load()


def test_few_examples_and_few_groups_get_a_note(tmp_path):
    for number in range(60):
        save(tmp_path / ("a" if number % 10 else "b") / f"p{number % 4}_{number}.png", picture(number))
    (note,) = ImageFolder(str(tmp_path)).load().notes[1:]
    assert note == "few examples of a class, so that its scores say little: b: 6"
    notes = ImageFolder(str(tmp_path), group="(p.)_").load().notes
    assert any("classes in fewer than 3 of what stays together (group)" in note and "b: 2" in note for note in notes)


def test_planted_duplicates_are_reported(tmp_path):
    for number in range(40):
        save(tmp_path / "train" / "ab"[number % 2] / f"{number}.png", picture(number, 3, 64))
        save(tmp_path / "test" / "ab"[number % 2] / f"{number}.png", picture(100 + number, 3, 64))
    clean = examine(data := ImageFolder(str(tmp_path)), load_splits(data)).notes
    assert not any("nearly" in note or "again" in note for note in clean)
    lighter = np.clip(picture(4, 3, 64).astype(int) + 12, 0, 255).astype(np.uint8)
    save(tmp_path / "test" / "a" / "lighter.png", lighter)
    save(tmp_path / "test" / "a" / "coarse.jpg", picture(6, 3, 64), quality=60)
    save(tmp_path / "test" / "a" / "same.png", picture(8, 3, 64))
    save(tmp_path / "test" / "b" / "other class.png", picture(100, 3, 64))
    notes = "\n".join(examine(data, load_splits(data)).notes)
    assert "1 of 44 examples of test are in train too (the first: test/a/same.png, train/a/8.png of train)" in notes
    assert "1 examples are there again with another label (the first: test/b/other class.png of test, " in notes
    reported = sum(int(n.split()[0]) for n in notes.split("\n") if "nearly the same as one of" in n)
    assert reported >= 2


def test_of_a_folder_beside_the_configuration_an_export_says_what_to_add(folder, config, run_search, monkeypatch):
    monkeypatch.chdir(folder.parent)
    data = ImageFolder(folder.name, size=8)
    run = run_search(config(data=data, space=MlpSpace(data.input_shape, data.classes), evaluations=2))
    monkeypatch.chdir("/")
    with pytest.raises(
        DataError,
        match=r": no such folder \(looked in /\); add --config CONFIG.py if it is in the folder of the configuration",
    ):
        load_data(run)
    assert load_data(run, ImageFolder(str(folder), size=8)).target.names == ("cat", "dog", "owl")


def test_a_search_runs_on_a_folder_and_its_class_names_stay(folder, config, run_search):
    data = ImageFolder(str(folder), size=8)
    run = run_search(config(data=data, space=MlpSpace(data.input_shape, data.classes), evaluations=2))
    assert load_data(run).target.names == ("cat", "dog", "owl")


@pytest.mark.parametrize("kind", ["cut off", "no image"])
def test_the_shape_is_known_where_the_first_image_of_each_class_is_broken(folder, kind):
    for name in ("cat", "dog", "owl"):
        good = (folder / name / "1.png").read_bytes()
        (folder / name / "0.png").write_bytes(good[:120] if kind == "cut off" else b"nothing")
    data = ImageFolder(str(folder), skip_unreadable=True)
    assert data.input_shape == (SIDE, SIDE, 1)
    assert sum(map(len, parts(data.load()))) == 33
    with pytest.raises(DataError, match="cat/0.png: "):
        ImageFolder(str(folder)).load()
