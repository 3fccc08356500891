"""Your own sound, in a folder with one folder for each class."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgevolve.beside import located
from edgevolve.data.background import with_background
from edgevolve.data.data_error import DataError
from edgevolve.data.division import divided
from edgevolve.data.folder import ClassFolder, Listing, Place
from edgevolve.data.split import Splits
from edgevolve.data.spool import spooled
from edgevolve.data.unreadable import Unreadable, shown
from edgevolve.data.wav_file import Wav

AUDIO_SUFFIXES = (".wav", ".wave")
NOISE = "_background_noise_"
SILENCE, UNKNOWN = "silence", "unknown"
_BLOCKS = (*("train",) * 8, "validation", "test")
"""The splits of the ten blocks in time into which a file of noise is divided, where other files' splits are given."""


@dataclass(frozen=True, slots=True)
class AudioFolder(ClassFolder):
    r"""Clips of one length from WAV files in one folder for each class.

    Folders `train`, `validation` and `test` above the classes are used as splits.

    Examples are int16 (samples, 1, 1), which stand for value / 32768. A shorter file is padded with zeros on both
    sides. A longer file gives its middle, or with `stride` a clip every `stride` seconds. Without `rate`, in Hz, all
    files must have the same rate; with it they are resampled. Files with several channels are an error, unless `mix`
    averages them. Files named `class.anything.wav` need no folders.

    `words` selects classes. From the other classes, as many files as a word has on average form the class `unknown`.
    With `silence`, clips of `_background_noise_` form a class of average size. With `background` above 0, noise clips
    of the training split are mixed into 8 of 10 of its other clips, at up to this share of their level.

    Splits are made as by `ImageFolder`; the lists and speakers of Speech Commands are used. Clips of a file stay in one
    split, and so do files of a `group`: a regular expression whose first bracket matches the group in a path below the
    folder, such as `r"_(\w+)_"`. Raises `DataError`.
    """

    suffixes = AUDIO_SUFFIXES

    path: str
    seconds: float = 1.0
    rate: int | None = None
    stride: float | None = None
    words: tuple[str, ...] | None = None
    silence: bool = False
    background: float = 0.0
    mix: bool = False
    group: str | None = None
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        if self.words is not None:
            words = (self.words,) if isinstance(self.words, str) else tuple(self.words)
            object.__setattr__(self, "words", words)
        for name, value in (("seconds", self.seconds), ("stride", self.stride)):
            if value is not None and not 0 < value <= 60:
                raise DataError(f"AudioFolder: {name} must be above 0 and up to 60, not {value!r}")
        if not 0 <= self.background <= 1 or (self.background and not self.silence):
            raise DataError(f"AudioFolder: background is from 0 to 1 and needs silence=True, not {self.background!r}")
        if self.rate is not None and not 1_000 <= self.rate <= 400_000:
            raise DataError(f"AudioFolder: rate must be from 1000 to 400000 Hz, not {self.rate!r}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of a clip: (samples, 1, 1)."""
        return (round(self.seconds * self._rate(self._listing(Unreadable(True)))), 1, 1)

    def _read(self, listing: Listing, skipped: tuple[str, ...]) -> Splits:
        noise = replace(listing, files=self._noise())
        return _load(self, listing, noise, listing.stamp() + noise.stamp(), skipped)

    def _names(self, listing: Listing) -> tuple[str, ...]:
        names = listing.classes
        if self.words is not None:
            lacking = [word for word in self.words if word not in names]
            if lacking:
                raise DataError(f"{shown(self.path)}: no class {lacking[0]}; it has {', '.join(names)[:200]}")
            names = (*self.words, *([UNKNOWN] if set(names) - set(self.words) else []))
        return (*names, SILENCE) if self.silence else names

    def _noise(self) -> tuple[Place, ...]:
        """The files of background noise. Raises `DataError` where noise is needed and there is none."""
        if not self.silence:
            return ()
        folder = located(Path(self.path).expanduser()).absolute() / NOISE
        files = sorted(path for path in folder.glob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
        if not files:
            raise DataError(f"{shown(self.path)}: silence=True needs WAV files in a folder {NOISE}")
        return tuple(Place(str(path), f"{NOISE}/{path.name}", SILENCE) for path in files)

    def _rate(self, listing: Listing) -> int:
        """The requested rate, or that of the first readable file, in Hz."""
        if self.rate is not None:
            return self.rate
        reasons = []
        for file in listing.files:
            try:
                return Wav.opened(file.path).rate
            except DataError as error:
                reasons.append(f"{shown(file.path)}: {error}")
        raise DataError(f"{shown(self.path)}: no file can be read: {reasons[0]}")


@lru_cache(maxsize=1)
def _load(data: AudioFolder, listing: Listing, noise: Listing, stamp: str, skipped: tuple[str, ...]) -> Splits:
    wanted = _wanted(data, listing)
    unreadable = Unreadable(data.skip_unreadable, list(skipped))
    files = _Files(data, data._rate(listing), unreadable)
    x = spooled(files.all(wanted.files, noise.files), (files.length, 1, 1), np.int16)
    whole, given = wanted.examples(x, files.owners)
    splits = divided(whole, wanted.classes, given, data, wanted.grouped_by)
    about = f"{len(x)} clips of {files.length} samples at {files.rate} Hz"
    notes = (*splits.notes, about, *files.notes, *wanted.notes, *unreadable.notes)
    train = splits.train
    if data.background:
        train = with_background(train, wanted.classes.index(SILENCE), data.background, data.seed)
    return replace(splits, train=train, notes=notes)


def _wanted(data: AudioFolder, listing: Listing) -> Listing:
    """The files of the wanted classes, each with a group: its own name where it has none."""
    classes = data._names(listing)
    files = [file if listing.grouped_by else replace(file, group=file.name) for file in listing.files]
    notes = listing.notes
    if data.words is not None:
        others = [file for file in files if file.label not in data.words]
        files = [file for file in files if file.label in data.words]
        chosen: set[Place] = set()
        for part, number in Counter(file.part for file in files).items():
            there = [replace(file, label=UNKNOWN) for file in others if file.part == part]
            order = np.random.default_rng(data.seed).permutation(len(there))
            chosen |= {there[place] for place in order[: max(1, number // len(data.words))]}
        files += sorted(chosen, key=lambda file: file.name)
        notes = (*notes, f"{UNKNOWN}: {len(chosen)} of {len(others)} files of other words") if others else notes
    return replace(listing, files=tuple(files), classes=classes, notes=notes, grouped_by=listing.grouped_by or "file")


@dataclass(slots=True)
class _Files:
    """Reads files into clips; `owners` has the file of each clip."""

    data: AudioFolder
    rate: int
    unreadable: Unreadable
    owners: list[Place] = field(default_factory=list)
    short: int = 0
    long: int = 0

    @property
    def length(self) -> int:
        """The number of samples of a clip."""
        return round(self.data.seconds * self.rate)

    @property
    def notes(self) -> Iterator[str]:
        """Notes on files that were padded or cut off."""
        if self.short:
            yield f"{self.short} files are shorter than {self.data.seconds:g} s and stand between zeros"
        if self.long:
            yield f"of {self.long} files longer than {self.data.seconds:g} s the middle is taken; stride=… takes all"

    def all(self, files: tuple[Place, ...], noise: tuple[Place, ...]) -> Iterator[NDArray[np.int16]]:
        """The clips of each file, (number, samples, 1, 1), then those of noise."""
        for file in files:
            samples = self._read(file)
            if samples is not None:
                clips = self._clips(samples)
                self.owners += [file] * len(clips)
                yield clips
        if not noise:
            return
        labels = Counter(owner.label for owner in self.owners)
        each = max(1, round(sum(labels.values()) / max(1, len(labels)) / len(noise) / len(_BLOCKS)))
        given = any(owner.part for owner in self.owners)
        for file in noise:
            samples = self._read(file)
            if samples is not None:
                yield from self._of_noise(file, samples, each, given)

    def _read(self, file: Place) -> NDArray[np.int16] | None:
        try:
            wav = Wav.opened(file.path)
            if self.data.rate is None and wav.rate != self.rate:
                raise DataError(f"is at {wav.rate} Hz, the first at {self.rate}; rate={self.rate} resamples all")
            return wav.at(self.rate, self.data.mix)
        except DataError as error:
            self.unreadable(file.path, str(error))
            return None

    def _clips(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        self.short += len(samples) < self.length
        self.long += len(samples) > self.length and self.data.stride is None
        step = None if self.data.stride is None else max(1, round(self.data.stride * self.rate))
        return clips_of(samples, self.length, step)

    def _of_noise(self, file: Place, samples: NDArray[np.int16], each: int, given: bool) -> Iterator[NDArray[np.int16]]:
        """`each` clips of every tenth of a file, evenly spread; no clip reaches into two tenths."""
        edges = np.linspace(0, len(samples), len(_BLOCKS) + 1).astype(int).tolist()
        if edges[1] < self.length:
            self.unreadable(file.path, f"noise must be at least {10 * self.data.seconds:g} s long")
            return
        for number, part in enumerate(_BLOCKS):
            place = replace(file, part=part if given else "", group=f"{file.name}, part {number}")
            starts = np.linspace(edges[number], edges[number + 1] - self.length, each).astype(int)
            clips = np.stack([samples[start : start + self.length] for start in dict.fromkeys(starts.tolist())])
            self.owners += [place] * len(clips)
            yield clips.reshape(len(clips), self.length, 1, 1)


def clips_of(samples: NDArray[np.int16], length: int, step: int | None) -> NDArray[np.int16]:
    """Clips (number, length, 1, 1): one every `step` samples, or the middle; short samples are padded with zeros."""
    over = len(samples) - length
    if over < 0:
        samples = np.pad(samples, (-over // 2, -over - -over // 2))
    elif step is None:
        samples = samples[over // 2 : over // 2 + length]
    views = np.lib.stride_tricks.sliding_window_view(samples, length)[:: step or length]
    return views.reshape(len(views), length, 1, 1)
