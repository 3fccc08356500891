"""Look at a folder of sound."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgevolve.data import AudioFolder, DataError, Features, Mel
from edgevolve.data.audio_folder import AUDIO_SUFFIXES, NOISE
from edgevolve.data.folder import Listing, listed
from edgevolve.data.unreadable import Unreadable, shown
from edgevolve.data.wav_file import Wav
from edgevolve.starting.group_names import group_in_names
from edgevolve.starting.reading import SKIPPED, Reading, Wishes, check_classes, classes_in_words

_MOST_LOOKED_AT = 2000
_HIGHEST_RATE = 16_000
_SECONDS = (0.5, 1.0, 1.5, 2.0, 3.0)
_CLIP = 1.0
"""The length of clips in seconds, if files are longer than all of `_SECONDS`."""
_NEARLY_ALL = 0.95
_SAME = 1.01
"""A file up to this factor longer than a clip counts as one clip."""
_BANDS = (40, 32, 24, 16)
_COEFFICIENTS = 10


def sound(path: str, wishes: Wishes) -> Reading:
    """Choose the reading of WAV files, with MFCC as features. Raises `DataError`."""
    unreadable = Unreadable(wishes.skip_unreadable)
    listing = listed(path, AUDIO_SUFFIXES, None, unreadable)
    check_classes(path, listing)
    settings, why, seen = _settings(path, listing, unreadable)
    if (Path(path) / NOISE).is_dir():
        settings["silence"] = True
        why["AudioFolder.silence"] = f"clips of {NOISE}: the device hears them most of the time"
    group = group_in_names(listing)
    if group:
        settings["group"] = group[0]
        why["AudioFolder.group"] = f"{group[1]}: each stays in one split"
    data = AudioFolder(path, **settings, **wishes.reading)
    front_end = _mel(settings["rate"], data.input_shape[0])
    why["Mel.coefficients"] = "MFCC as in MLPerf Tiny's keyword spotting: few numbers, little memory"
    if front_end.bands != _BANDS[0]:
        why["Mel.bands"] = f"at {front_end.rate} Hz {_BANDS[0]} are too narrow for the Fourier transform"
    words = classes_in_words(data.target.labels)
    why["AudioFolder.skip_unreadable"] = SKIPPED
    return Reading(Features(data, front_end), f"{len(listing.files)} {seen} in {words}", why)


def _settings(path: str, listing: Listing, unreadable: Unreadable) -> tuple[dict[str, Any], dict[str, str], str]:
    """Length, rate and channels that suit the files; the reasons of each; and a line on the files."""
    number = min(len(listing.files), _MOST_LOOKED_AT)
    rates: Counter[int] = Counter()
    seconds: list[float] = []
    several = 0
    for place in np.linspace(0, len(listing.files) - 1, number).round().astype(int):
        file = listing.files[place]
        try:
            wav = Wav.opened(file.path)
        except DataError as error:
            unreadable(file.path, str(error))
            continue
        rates[wav.rate] += 1
        seconds.append(len(wav.samples) / wav.rate)
        several += wav.samples.shape[1] > 1
    if not seconds:
        raise DataError(f"{shown(path)}: no file can be read: {unreadable.seen[0]}")
    usual = rates.most_common(1)[0][0]
    settings: dict[str, Any] = {"rate": min(usual, _HIGHEST_RATE)}
    why: dict[str, str] = {}
    seen = f"files have {', '.join(f'{rate} Hz' for rate in sorted(rates)[:4])}"
    why["AudioFolder.rate"] = seen if settings["rate"] == usual else f"{seen}; half of it is the highest frequency kept"
    settings |= _length(seconds, why)
    if several:
        settings["mix"] = True
        why["AudioFolder.mix"] = f"{several} of {len(seconds)} files have several channels: their mean is taken"
    words = f"WAV files of {min(seconds):.2g} to {max(seconds):.2g} s"
    return settings, why, words if max(seconds) > min(seconds) else f"WAV files of {seconds[0]:.2g} s"


def _length(seconds: list[float], why: dict[str, str]) -> dict[str, Any]:
    """The shortest length of clips that holds nearly every file; if none does, files are cut into successive clips."""
    most = float(np.quantile(seconds, _NEARLY_ALL))
    for length in _SECONDS:
        if most <= length * _SAME:
            why["AudioFolder.seconds"] = (
                f"{np.mean(np.array(seconds) <= length * _SAME):.0%} of the files are no longer"
            )
            return {"seconds": length}
    why["AudioFolder.seconds"] = f"files have up to {max(seconds):.3g} s: clips of them, one after the other"
    return {"seconds": _CLIP, "stride": _CLIP}


def _mel(rate: int, samples: int) -> Mel:
    high = min(rate / 2, _HIGHEST_RATE / 2)
    for bands in _BANDS:
        try:
            return Mel(rate, samples, bands=bands, high_hz=high, coefficients=_COEFFICIENTS)
        except DataError as error:
            reason = error
    raise reason
