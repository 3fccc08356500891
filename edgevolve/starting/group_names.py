"""Finds groups, which must stay in one split, in the names of files: subject07_003.csv, 3_jackson_12.wav."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable

from edgevolve.data.folder import Listing

_KINDS = (
    *("subject", "person", "patient", "participant", "speaker", "user", "volunteer", "session", "scene"),
    *("video", "recording", "device", "machine", "site", "subj", "sub", "spk", "rec", "s", "p", "u"),
)
"""Words that may precede the number of a group, with longer ones first."""
_NUMBERED = re.compile(rf"(?i)(?:^|[/_.\-])({'|'.join(_KINDS)})([_-]?)\d+(?=[/_.\-])")
_SHORT = 3
"""The most letters of a word that could also be the end of another word."""
_FEWEST = 3
"""The least number of groups: one for each split."""
_FILES_OF_A_GROUP = 4
"""The least mean number of files a group, if only words in the names tell the groups."""


def group_in_names(listing: Listing) -> tuple[str, str] | None:
    """A regular expression whose first bracket is the group in each path, and its groups in words; None without groups.

    Numbers after a word such as subject, session or speaker are groups. So are words, such as speakers' names, that
    have a fixed place in every name and are not classes. At least three groups must occur in half of the classes.
    """
    if listing.grouped_by or any(file.part for file in listing.files):
        return None
    names = [file.name for file in listing.files]
    for pattern, words in (*_numbered(names), *_words(names, len(listing.files))):
        groups: dict[str, set[str]] = defaultdict(set)
        for file in listing.files:
            match = re.search(pattern, file.name)
            if not match:
                break
            groups[match[1]].add(file.label)
        else:
            spread = sum(len(labels) >= len(listing.classes) / 2 for labels in groups.values())
            if _FEWEST <= len(groups) < len(names) and spread >= _FEWEST and not set(groups) & set(listing.classes):
                return pattern, f"{len(groups)} {words}"
    return None


def _numbered(names: list[str]) -> Iterable[tuple[str, str]]:
    first = _NUMBERED.search(names[0])
    if first:
        word = re.escape(first[1] + first[2])
        short = len(first[1]) <= _SHORT
        yield (rf"[/_.-]({word}\d+)[/_.-]" if short else rf"({word}\d+)"), f"different {first[1]}… in the names"


def _words(names: list[str], number: int) -> Iterable[tuple[str, str]]:
    """Yield patterns of words at one place, counted from the end, of names with parts divided by _ or -."""
    for sign in "_-":
        parts = [os.path.splitext(name.rpartition("/")[2])[0].split(sign) for name in names]
        if len({len(part) for part in parts}) > 1:
            continue
        for place in range(len(parts[0])):
            values = {part[-1 - place] for part in parts}
            if all(value.isalpha() for value in values) and len(values) * _FILES_OF_A_GROUP <= number:
                end = rf"\.[^/{sign}]*" if place == 0 else rf"{sign}[^/{sign}]*" * place
                words = sorted(values)
                some = ", ".join(words[:3]) + (", …" if len(words) > 3 else "")
                yield rf"([^/{sign}.]+){end}$", f"words in the names ({some})"
