"""The kind of data at a path: images, sound, recordings of sensors or a table. Only names and first lines are read."""

import os
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edgevolve.data import DataError
from edgevolve.data.csv_file import opened
from edgevolve.data.folder import is_list
from edgevolve.data.npz_file import read_npz
from edgevolve.data.time_column import time_column
from edgevolve.data.unreadable import shown


class Kind(StrEnum):
    """The kinds of data, one for each reader."""

    IMAGES = "images"
    SOUND = "sound"
    FOLDER = "recordings in files"
    RECORDINGS = "recordings in one file"
    TABLE = "a table"
    ARRAYS = "images in an archive"


@dataclass(frozen=True, slots=True)
class Found:
    """The kind of data, and the folder or file for its reader."""

    kind: Kind
    path: str


_SUFFIXES = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp"), Kind.IMAGES),
    **dict.fromkeys((".wav", ".wave"), Kind.SOUND),
    **dict.fromkeys((".csv", ".tsv", ".txt", ".npy"), Kind.FOLDER),
    **dict.fromkeys((".ts", ".npz"), Kind.RECORDINGS),
}
_OTHERS = {
    **dict.fromkeys((".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus"), "sound must be WAV files; convert them"),
    **dict.fromkeys((".tif", ".tiff", ".gif", ".webp", ".heic"), "images must be PNG, JPEG or BMP files; convert them"),
    **dict.fromkeys((".xls", ".xlsx", ".ods", ".parquet", ".feather"), "a table must be a CSV file; save it as CSV"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"), "archives are not read; unpack it"),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm"), "videos are not read; save the frames as images"),
    **dict.fromkeys((".json", ".cbor"), "recordings must be CSV files; export them as CSV"),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".pkl", ".pickle"), "arrays must be .npz files; save them as .npz"),
}
"""Formats that are not read, by suffix, and what to do with them."""

_MINOR = 0.1
"""Files of a second kind are ignored up to this share of the number of the first kind."""
_LONGEST = 300
"""The most characters of a path in a message."""
_COLUMNS_OF_A_SIGNAL = 24
"""A CSV without a header and with at least this many columns has a signal on each line."""


def kind_of(path: str) -> Found:
    """The kind of the data at `path`. Raises `DataError`, in one line, if none of it can be read."""
    place = Path(path).expanduser()
    try:
        is_folder, is_there = place.is_dir(), place.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"{_cut(path)}: {getattr(error, 'strerror', None) or error}") from error
    if not is_there:
        raise DataError(f"{_cut(path)}: no such file or folder")
    return _of_folder(path, place) if is_folder else _of_file(path)


def classes_below(path: str) -> str:
    """The first folder with several folders in a chain of single folders below `path`; empty if there is none."""
    here = Path(path)
    while True:
        folders = [entry for entry in here.iterdir() if entry.is_dir() and entry.name[0] not in "._"]
        if len(folders) != 1:
            return str(here) if len(folders) > 1 and here != Path(path) else ""
        here = folders[0]


def _cut(path: str) -> str:
    text = shown(path)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _of_file(path: str) -> Found:
    suffix = Path(path).suffix.lower()
    if suffix == ".ts":
        return Found(Kind.RECORDINGS, path)
    if suffix == ".npz":
        return Found(_of_archive(path), path)
    if suffix in (".csv", ".tsv", ".txt"):
        file = opened(path)
        has_time = file.has_header and time_column(file.names) is not None
        return Found(Kind.RECORDINGS if has_time else Kind.TABLE, path)
    if suffix in _SUFFIXES:
        raise DataError(f"{shown(path)}: a single file; give the folder that holds one folder for each class")
    raise DataError(f"{shown(path)}: {_OTHERS.get(suffix, _READ)}")


_READ = "no file of a kind that edgevolve reads: images (PNG, JPEG, BMP), sound (WAV), CSV, .ts, .npz"


def _of_archive(path: str) -> Kind:
    """The kind of an `.npz`: images are uint8 or have four axes; three axes of other numbers are signals."""
    arrays = read_npz(path, ("x_train", "x")).arrays
    x = arrays.get("x_train", arrays.get("x"))
    if x is None:
        raise DataError(f"{shown(path)}: has neither x_train nor x; save x and y by these names")
    if len(x.shape) == 2:
        raise DataError(
            f"{shown(path)}: x is {x.dtype} {x.shape}: save sound as WAV files in one folder for each class, "
            "a table as CSV, signals as (number, steps, channels)"
        )
    is_image = x.dtype == "uint8" or len(x.shape) == 4
    if is_image and "x_train" not in arrays:
        raise DataError(f"{shown(path)}: has x, of images; save them as x_train and y_train")
    return Kind.ARRAYS if is_image else Kind.RECORDINGS


def _of_folder(path: str, folder: Path) -> Found:
    below, here, others = _files(folder)
    files = below or here
    counts = Counter(_SUFFIXES[suffix] for suffix in map(_suffix, files) if suffix in _SUFFIXES)
    if not counts:
        raise DataError(f"{shown(path)}: {_nothing(files + others)}")
    if len(files) == 1 or (not below and set(counts) <= {Kind.RECORDINGS}):
        first = next((name for name in files if name.lower().endswith("_train.ts")), files[0])
        return _of_file(os.path.join(path, first))
    (kind, number), *rest = counts.most_common()
    for other, count in rest:
        if count > _MINOR * number:
            raise DataError(
                f"{shown(path)}: holds {number} files of {kind} and {count} of {other}; give a folder of one kind"
            )
    if kind is Kind.RECORDINGS:
        raise DataError(f"{shown(path)}: holds {number} files of {kind}; give one of them")
    return Found(kind, path)


def _files(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Names of known files below the folder's folders, else names of known files in it; last, the other names.

    Lists of files and hidden files are left out.
    """
    below: list[str] = []
    here: list[str] = []
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "._" and name != "annotations"]
        kept = [name for name in names if name[0] not in "._" and not is_list(name)]
        (here if Path(above) == folder else below).extend(kept)
    known = [name for name in below if _suffix(name) in _SUFFIXES]
    return (known, [], here) if known else ([], [name for name in here if _suffix(name) in _SUFFIXES], here + below)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _nothing(names: list[str]) -> str:
    if not names:
        return "has no file in it"
    suffix, _ = Counter(map(_suffix, names)).most_common(1)[0]
    return _OTHERS.get(suffix, f"{_READ}; it has {', '.join(shown(name) for name in sorted(names)[:3])}")


def is_signal_a_line(path: str) -> bool:
    """Whether a CSV has a signal on each line and no header, the layout of NanoEdge."""
    file = opened(path)
    return not file.has_header and len(file.names) >= _COLUMNS_OF_A_SIGNAL
