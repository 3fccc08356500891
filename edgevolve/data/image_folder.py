"""Your own images, in a folder with one folder for each class."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edgevolve.data.data_error import DataError
from edgevolve.data.division import divided
from edgevolve.data.folder import ClassFolder, Listing
from edgevolve.data.rows import CHUNK_BYTES
from edgevolve.data.split import Splits
from edgevolve.data.spool import spooled
from edgevolve.data.unreadable import Unreadable, shown

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")
_FORMATS = ("BMP", "JPEG", "PNG")
_MOST_PIXELS = 64_000_000
"""The most pixels of an image; larger ones are not decoded."""
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""Values of Exif's orientation that exchange height and width."""


@dataclass(frozen=True, slots=True)
class ImageFolder(ClassFolder):
    r"""PNG, JPEG and BMP files, one folder for each class, or `train`, `validation` and `test` above the classes.

    Examples are uint8 (height, width, 1 or 3). Every image is stretched to `size`, (height, width); without it all
    images must have the same size. `colour` False reads grey and True three channels; by default images are read in
    colour if the first image of some class has colour. Images are rotated as their Exif data say. They are decoded
    once; more than 64 MiB go to a temporary file.

    Splits that no folder or list gives are held out by `seed`: `test_fraction` of the images, then
    `validation_fraction` of the rest. Images of a group stay in one split: `group` is a regular expression whose first
    bracket matches the group in a path below the folder, such as `r"/(scene\d+)_"`. Sub-folders of a class are always
    groups.

    `skip_unreadable` leaves out files that cannot be read, and notes them. Raises `DataError`.
    """

    suffixes = IMAGE_SUFFIXES

    path: str
    size: tuple[int, int] | None = None
    colour: bool | None = None
    group: str | None = None
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        if self.size is None:
            return
        size = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
        if len(size) != 2 or not all(isinstance(side, int) and 0 < side <= 4096 for side in size):
            raise DataError(f"ImageFolder: size must be (height, width) from 1 to 4096 pixels, not {self.size!r}")
        object.__setattr__(self, "size", size)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels), from the first image of each class."""
        return self._shape(self._listing(Unreadable(True)))

    def _read(self, listing: Listing, skipped: tuple[str, ...]) -> Splits:
        return _load(self, listing, listing.stamp(), skipped)

    def _shape(self, listing: Listing) -> tuple[int, int, int]:
        firsts = []
        seen: set[str] = set()
        unreadable = Unreadable(True)
        for file in listing.files:
            header = None if file.label in seen else image_header(file.path, unreadable)
            if header:
                seen.add(file.label)
                firsts.append(header)
        if not firsts:
            raise DataError(f"{shown(self.path)}: no image can be read: {unreadable.seen[0]}")
        colour = any(grey is False for _, grey in firsts) if self.colour is None else self.colour
        return (*(self.size or firsts[0][0]), 3 if colour else 1)


@lru_cache(maxsize=1)
def _load(data: ImageFolder, listing: Listing, stamp: str, skipped: tuple[str, ...]) -> Splits:
    shape = data._shape(listing)
    unreadable = Unreadable(data.skip_unreadable, list(skipped))
    kept: list[int] = []
    faded: list[str] = []

    def pieces() -> Iterator[NDArray[np.uint8]]:
        step = max(1, CHUNK_BYTES // int(np.prod(shape)))
        piece: list[NDArray[np.uint8]] = []
        for number, file in enumerate(listing.files):
            pixels = image_pixels(file.path, shape, data.size is not None, unreadable, faded)
            if pixels is not None:
                kept.append(number)
                piece.append(pixels)
            if len(piece) == step:
                yield np.stack(piece)
                piece.clear()
        if piece:
            yield np.stack(piece)

    x = spooled(pieces(), shape, np.uint8)
    whole, given = listing.examples(x, [listing.files[number] for number in kept])
    splits = divided(whole, listing.classes, given, data, listing.grouped_by or "file")
    grey = f"{len(faded)} images have colour and are read as grey, as the first are; colour=True keeps it"
    lost = (grey,) if faded and data.colour is None else ()
    return replace(splits, notes=(*splits.notes, *lost, *listing.notes, *unreadable.notes))


def image_header(path: str, unreadable: Unreadable) -> tuple[tuple[int, int], bool] | None:
    """(height, width) after rotation, and whether it is grey; None for another file, which `unreadable` notes."""
    image = _opened(path, unreadable)
    if image is None:
        return None
    with image:
        try:
            return _size(image), _is_grey(image)
        except Exception as error:  # a PNG is decoded to its end, where Exif data may be
            unreadable(path, _reason(path, error))
            return None


def _opened(path: str, unreadable: Unreadable) -> Image.Image | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about very many pixels, which are refused below
            image = Image.open(path, formats=_FORMATS)
        if image.width * image.height <= _MOST_PIXELS:
            return image
        image.close()
        reason = f"{image.height}×{image.width} pixels; up to {_MOST_PIXELS // 1_000_000} million are read"
    except Exception as error:  # Pillow raises a dozen kinds for broken files
        reason = _reason(path, error)
    unreadable(path, reason)
    return None


def _reason(path: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, Image.DecompressionBombError):
        return f"too many pixels; up to {_MOST_PIXELS // 1_000_000} million are read"
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                return "is empty"
    except OSError:
        pass
    if isinstance(error, UnidentifiedImageError):
        return "not a PNG, JPEG or BMP"
    return f"cannot be decoded ({type(error).__name__}: {str(error)[:100]})"


def _size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(_ORIENTATION) in _TURNED
    return (image.width, image.height) if turned else (image.height, image.width)


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16")


def image_pixels(
    path: str, shape: tuple[int, int, int], resizes: bool, unreadable: Unreadable, faded: list[str]
) -> NDArray[np.uint8] | None:
    """The image as (height, width, channels) uint8; None where it cannot be read.

    `faded` collects the images that lose their colour.
    """
    image = _opened(path, unreadable)
    if image is None:
        return None
    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    with image:
        try:
            loses_colour = channels == 1 and not _is_grey(image)
            if resizes:
                image.draft(mode, (2 * max(height, width),) * 2)  # a large JPEG is decoded at a half, a quarter …
            elif (size := _size(image)) != (height, width):
                words = "×".join(map(str, size))
                unreadable(
                    path, f"has {words} pixels, the first image {height}×{width}; size=({height}, {width}) resizes all"
                )
                return None
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith("I"):  # 16 bits a pixel
                turned = Image.fromarray((np.asarray(turned) // 256).clip(0, 255).astype(np.uint8))
            plain = turned.convert(mode)
            if resizes:
                plain = plain.resize((width, height), Image.Resampling.BILINEAR)
            faded += [path] * loses_colour
            return np.asarray(plain, np.uint8).reshape(shape)
        except DataError:
            raise
        except Exception as error:
            unreadable(path, _reason(path, error))
            return None
