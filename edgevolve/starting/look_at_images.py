"""Look at a folder of images, or an archive of them."""

from collections import Counter
from typing import Any

import numpy as np

from edgevolve.data import DataError, ImageFolder, NpzImages
from edgevolve.data.folder import Place, listed
from edgevolve.data.image_folder import IMAGE_SUFFIXES, image_header
from edgevolve.data.unreadable import Unreadable, shown
from edgevolve.starting.group_names import group_in_names
from edgevolve.starting.reading import SKIPPED, Reading, Wishes, check_classes, classes_in_words

_MOST_LOOKED_AT = 2000
_LARGEST_SIDE = 96
"""In pixels; microcontrollers seldom use more (96 in the Visual Wake Words of MLPerf Tiny)."""
_SMALLEST_SIDE = 8
_SHARE_OF_ARENA = 0.25
"""The input may take this share of the arena, as the output of the first layer takes at least as much."""


def images(path: str, arena_bytes: int, wishes: Wishes) -> Reading:
    """Choose the reading of a folder with one folder for each class. Raises `DataError`."""
    unreadable = Unreadable(wishes.skip_unreadable)
    listing = listed(path, IMAGE_SUFFIXES, None, unreadable)
    check_classes(path, listing)
    sizes, coloured = _headers(listing.files, unreadable)
    if not sizes:
        raise DataError(f"{shown(path)}: no image can be read: {unreadable.seen[0]}")
    colour = coloured > sizes.total() / 2
    size, why_size = _size(sizes, 3 if colour else 1, arena_bytes)
    share = f"{coloured} of {sizes.total()}" if sizes.total() < len(listing.files) or coloured else "none"
    why = {"colour": f"{share} have colour" if colour or coloured else "none has colour", "size": why_size}
    settings: dict[str, Any] = {"size": size, "colour": colour}
    group = group_in_names(listing)
    if group:
        settings["group"] = group[0]
        why["group"] = f"{group[1]}: each stays in one split"
    seen = f"{len(listing.files)} images of {_words(sizes)} in {classes_in_words(listing.classes)}"
    return Reading(ImageFolder(path, **settings, **wishes.reading), seen, {**why, "skip_unreadable": SKIPPED})


def archive(path: str) -> Reading:
    """Choose the reading of an `.npz` of images. Raises `DataError`."""
    data = NpzImages(path)
    height, width, channels = data.input_shape
    kind = "colour" if channels == 3 else "grey" if channels == 1 else f"{channels} channels"
    return Reading(data, f"images of {height}×{width}, {kind}, in {classes_in_words(data.target.labels)}", {})


def _headers(files: tuple[Place, ...], unreadable: Unreadable) -> tuple[Counter[tuple[int, int]], int]:
    """The number of images by size (height, width), and of images in colour; of very many files, an even sample."""
    number = min(len(files), _MOST_LOOKED_AT)
    sizes: Counter[tuple[int, int]] = Counter()
    coloured = 0
    for place in np.linspace(0, len(files) - 1, number).round().astype(int):
        header = image_header(files[place].path, unreadable)
        if header:
            sizes[header[0]] += 1
            coloured += not header[1]
    return sizes, coloured


def _size(sizes: Counter[tuple[int, int]], channels: int, arena_bytes: int) -> tuple[tuple[int, int], str]:
    """The usual size, scaled down to what the board and 96 pixels allow; and the reason in words."""
    (height, width), number = sizes.most_common(1)[0]
    if number < sizes.total() / 2:  # of many sizes the median
        height, width = (int(np.median(sorted(side[axis] for side in sizes.elements()))) for axis in (0, 1))
    fits = _SHARE_OF_ARENA * arena_bytes / channels
    scale = min(1.0, _LARGEST_SIDE / max(height, width), (fits / (height * width)) ** 0.5)
    if scale == 1.0 and len(sizes) == 1:
        return (height, width), "all have it"
    sides = [max(_SMALLEST_SIDE, int(scale * side) // 8 * 8 if scale < 1 else side) for side in (height, width)]
    reason = "a quarter of the arena" if (fits / (height * width)) ** 0.5 == scale < 1 else f"{_LARGEST_SIDE} pixels"
    limit = f"up to {reason}: more costs memory and time" if scale < 1 else "the usual one"
    return (sides[0], sides[1]), f"images have {_words(sizes)}; {limit}"


def _words(sizes: Counter[tuple[int, int]]) -> str:
    if len(sizes) == 1:
        ((height, width),) = sizes
        return f"{height}×{width} pixels"
    areas = sorted(sizes, key=lambda size: size[0] * size[1])
    return f"{areas[0][0]}×{areas[0][1]} to {areas[-1][0]}×{areas[-1][1]} pixels"
