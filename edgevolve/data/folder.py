"""Lists the files of a folder of classes, with what their paths say: class, split and group."""

import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgevolve.beside import located, where
from edgevolve.data.data_error import DataError, NotFoundError, not_read
from edgevolve.data.rows import Rows
from edgevolve.data.split import Split, Splits
from edgevolve.data.target import Classes
from edgevolve.data.unreadable import Unreadable, shown

PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The splits of folders above those of the classes, by the folder's name in lower case."""
_LISTS = {
    "validation_list.txt": "validation",
    "testing_list.txt": "test",
    "annotations/instances_train_list.txt": "train",
    "annotations/instances_val_list.txt": "validation",
    "annotations/instances_test_list.txt": "test",
}
"""The splits of list files, with a path a line: those of Speech Commands, and those of TI's Edge AI tools."""
_SPEAKER = re.compile(r"(?:^|/)([0-9a-f]{8})_nohash_[^/]*$")
"""The file name of a recording in Speech Commands, with a hash of its speaker."""
_LEAST_GROUPS = 3
"""The least number of sub-folders of a class, one for each split, for these to be groups."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and what its path says. `part` is its split, if one is given; `name` is its path below the folder."""

    path: str
    name: str
    label: str
    part: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder in the order of their paths. `grouped_by` is a word for a file's `group`."""

    path: str
    files: tuple[Place, ...]
    classes: tuple[str, ...]
    grouped_by: str
    notes: tuple[str, ...]

    def examples(self, x: Rows, files: Sequence[Place]) -> tuple[Split, NDArray[np.str_]]:
        """The examples `x`, a row for each of `files`, and the split that is given for each, if any: (number,)."""
        label = {name: number for number, name in enumerate(self.classes)}
        lacking = sorted(set(self.classes) - {file.label for file in files})
        if lacking:
            raise DataError(f"{shown(self.path)}: none of the files of class {lacking[0]} can be read")
        groups = np.array([file.group for file in files]) if self.grouped_by else None
        y = np.array([label[file.label] for file in files], np.int64)
        names = np.array([file.name for file in files], object)
        return Split(x, y, groups, names), np.array([file.part for file in files], str)

    def stamp(self) -> str:
        """A text that changes when a file is added, removed or written."""
        digest = blake2b(digest_size=16)
        for file in self.files:
            try:
                status = os.stat(file.path)
                digest.update(f"{os.fsencode(file.path)!r} {status.st_size} {status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(b"?")
        return digest.hexdigest()


def is_list(name: str) -> bool:
    """Whether a file is one of the lists of a split's files."""
    return any(path.rpartition("/")[2] == name for path in _LISTS)


class ClassFolder(ABC):
    """The common part of data sets in a folder with one folder for each class.

    A subclass gives the `suffixes` of its files, and reads them; it may have other classes than the folders.
    """

    __slots__ = ()
    suffixes: ClassVar[tuple[str, ...]]
    path: str
    group: str | None
    skip_unreadable: bool

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.target.number

    @property
    def target(self) -> Classes:
        """The classes by name: the folders, sorted, unless the data set says otherwise."""
        return Classes(self._names(self._listing(Unreadable(True))))

    def load(self) -> Splits:
        """Read and split; the same arrays each time."""
        unreadable = Unreadable(self.skip_unreadable)
        listing = self._listing(unreadable)
        return self._read(listing, tuple(unreadable.seen))

    def _listing(self, unreadable: Unreadable) -> Listing:
        return listed(self.path, self.suffixes, self.group, unreadable)

    def _names(self, listing: Listing) -> tuple[str, ...]:
        return listing.classes

    @abstractmethod
    def _read(self, listing: Listing, skipped: tuple[str, ...]) -> Splits:
        """The splits of the listed files."""


def listed(folder: str, suffixes: Collection[str], group: str | None, unreadable: Unreadable) -> Listing:
    """The files of these `suffixes`: one folder for each class, or files named `class.anything.suffix`.

    Folders train (or training), validation (val) and test (testing) may be above the classes, and lists of files next
    to them. `group` is a regular expression; a file's group is what its first bracket matches in the path below the
    folder. Without it, groups are the speakers of Speech Commands, or the folders below those of the classes. Names
    that begin with `.` or `_` are skipped. Raises `DataError` for a folder without classes.
    """
    top = _top(folder)
    above = len(str(top)) + 1
    unknown: Counter[str] = Counter()
    files: list[Place] = []
    for part, within in _parts(top):
        for label, path in _labelled(within, unreadable):
            suffix = os.path.splitext(path)[1].lower()
            if suffix in suffixes:
                files.append(Place(path, path[above:].replace(os.sep, "/"), label, part))
            else:
                unknown[suffix or os.path.basename(path)] += 1
    if not files:
        hint = f"; it has {', '.join(shown(name) for name in list(unknown)[:5])}" if unknown else ""
        raise DataError(f"{shown(folder)}: no file of {', '.join(sorted(suffixes))} in it{hint}{_WANTED}")
    classes = tuple(sorted({file.label for file in files}))
    for name in classes:
        if not _is_text(name):
            raise DataError(f"{shown(folder)}: class {shown(name)} has a name that is not UTF-8; rename its folder")
    if len(classes) == 1:
        raise DataError(
            f"{shown(folder)}: every file is of class {classes[0]}; a classifier needs at least two classes{_WANTED}"
        )
    notes = [f"left aside: {', '.join(f'{n} of {shown(k)}' for k, n in unknown.most_common(5))}"] if unknown else []
    files = _by_lists(top, files, notes)
    grouped, by = _grouped(files, group, notes)
    return Listing(folder, tuple(grouped), classes, by, tuple(notes))


_WANTED = "; make one folder for each class, or name files class.anything.suffix"


def _top(folder: str) -> Path:
    top = located(Path(folder).expanduser())
    try:
        is_folder, is_there = top.is_dir(), top.exists()
    except (OSError, ValueError) as error:
        raise not_read(shown(folder), error) from error
    if not is_there:
        raise NotFoundError(f"{shown(folder)}: no such folder{where(folder)}")
    if not is_folder:
        raise DataError(f"{shown(folder)}: is a file; a folder of classes is needed")
    return top.absolute()


def _parts(top: Path) -> list[tuple[str, Path]]:
    """The folders that hold classes, each with its split."""
    try:
        folders = sorted(entry.name for entry in os.scandir(top) if entry.is_dir() and entry.name[0] not in "._")
    except OSError as error:
        raise DataError(f"{shown(top)}: {error.strerror}") from error
    if "classes" in folders and set(folders) <= {"classes", "annotations"}:  # the layout of TI's tools
        return [("", top / "classes")]
    known = [(PARTS[name.lower()], top / name) for name in folders if name.lower() in PARTS]
    if "train" in dict(known):
        return known
    if known and len(known) == len(folders):
        raise DataError(f"{shown(top)}: has {', '.join(folders)} and no folder train")
    return [("", top)]


def _labelled(folder: Path, unreadable: Unreadable) -> Iterator[tuple[str, str]]:
    """Every file with its class: the folder it is in, or its name up to the first dot where there are no folders."""
    entries = _entries(str(folder), unreadable)
    folders = [entry for entry in entries if _is_folder(entry)]
    for entry in folders:
        yield from ((entry.name, path) for path in _walk(entry.path, unreadable, (str(folder),)))
    if not folders:
        yield from ((entry.name.partition(".")[0], entry.path) for entry in entries)


def _walk(folder: str, unreadable: Unreadable, above: tuple[str, ...]) -> Iterator[str]:
    """All files below a folder, in order; a link to a folder that contains it is not followed."""
    if any(os.path.samefile(folder, other) for other in above):
        unreadable(folder, "a link that leads back to a folder above it")
        return
    for entry in _entries(folder, unreadable):
        if _is_folder(entry):
            yield from _walk(entry.path, unreadable, (*above, folder))
        elif _is_pipe(entry):
            unreadable(entry.path, "not a regular file")
        else:
            yield entry.path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_pipe(entry: os.DirEntry[str]) -> bool:
    """Whether it is a pipe, a device or a socket, which may never end; a broken link is none."""
    try:
        return not entry.is_file() and not S_ISREG(entry.stat().st_mode)
    except OSError:
        return False


def _entries(folder: str, unreadable: Unreadable) -> list[os.DirEntry[str]]:
    """The entries of a folder, by name, without those that begin with `.` or `_`."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if entry.name[0] not in "._"), key=lambda entry: entry.name)
    except OSError as error:
        unreadable(folder, error.strerror or "cannot be read")
        return []


def _by_lists(top: Path, files: list[Place], notes: list[str]) -> list[Place]:
    """The files with the splits of the lists; files in no list are for training, unless training has a list."""
    named: dict[str, str] = {}
    there = [name for name in _LISTS if (top / name).is_file()]
    for name in there:
        try:
            lines = (top / name).read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{shown(top / name)}: not a list of files ({type(error).__name__})") from error
        named |= {line.strip().replace("\\", "/").removeprefix("./"): _LISTS[name] for line in lines if line.strip()}
    if not there:
        return files
    rest = "" if any(_LISTS[name] == "train" for name in there) else "train"
    parts = [_named(named, file.name) or rest for file in files]
    kept = [replace(file, part=part) for file, part in zip(files, parts, strict=True) if part]
    if not kept or not any(file.part != "train" for file in kept):
        raise DataError(
            f"{shown(top / there[0])}: names no file of the folder; each line must be a path such as {files[0].name}"
        )
    if len(kept) < len(files):
        notes.append(f"left aside: {len(files) - len(kept)} files that are in no list of {top.name}/annotations")
    return kept


def _named(lists: dict[str, str], name: str) -> str:
    """The split of a file in lists, which hold its path from the folder or from the class on."""
    ends = [name.split("/", skipped)[-1] for skipped in range(name.count("/"))] or [name]
    return next((lists[end] for end in ends if end in lists), "")


def _grouped(files: list[Place], group: str | None, notes: list[str]) -> tuple[list[Place], str]:
    if group is not None:
        try:
            pattern = re.compile(group)
        except re.error as error:
            raise DataError(f"group={group!r} is not a regular expression: {error}") from error
        return [replace(file, group=_match(pattern, file)) for file in files], "group"
    if all(_SPEAKER.search(file.name) for file in files):
        return [replace(file, group=_match(_SPEAKER, file)) for file in files], "speaker"
    folders = [_below_class(file) for file in files]
    if not all(folders):
        return files, ""
    of_class = Counter(file.label for file in dict(zip(folders, files, strict=True)).values())
    if min(of_class.get(file.label, 0) for file in files) < _LEAST_GROUPS:
        notes.append("sub-folders of a class are not taken as groups: some class has fewer than 3")
        return files, ""
    return [replace(file, group=folder) for file, folder in zip(files, folders, strict=True)], "sub-folder"


def _below_class(file: Place) -> str:
    """The class and the first folder below it; empty for a file without such a folder."""
    steps = file.name.split("/")
    after = steps[steps.index(file.label) + 1 :] if file.label in steps else []
    return f"{file.label}/{after[0]}" if len(after) > 1 else ""


def _match(pattern: re.Pattern[str], file: Place) -> str:
    match = pattern.search(file.name)
    name = match and match.group(min(1, pattern.groups))
    if not name:
        raise DataError(f"{shown(file.path)}: group={pattern.pattern!r} does not match {shown(file.name)}")
    return name


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
