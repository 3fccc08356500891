"""Finds images that are nearly the same, by a difference hash: resized, recompressed, a little lighter."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.rows import Rows, chunks

LEAST_SIDE = 16
"""The least side of an image; the hash of a smaller one says too little."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""The weights of red, green and blue in grey (ITU-R BT.601), as in JPEG."""
_DISTANCE = 6
"""The most bits, of 64, in which the hashes of near images differ."""
_CORRELATION = 0.995
"""The least correlation between the pixels of near images, reduced to 16×16."""
_MOST_PAIRS = 2_000_000_000
_STEP_PAIRS = 4_000_000
_SIDE = 16


def is_of_images(rows: Rows) -> bool:
    """Whether examples are uint8 of one or three channels, and large enough for the hash."""
    shape = rows.shape[1:]
    return rows.dtype == np.uint8 and len(shape) == 3 and min(shape[:2]) >= LEAST_SIDE and shape[2] in (1, 3)


def near_duplicates(first: Rows, second: Rows) -> NDArray[np.int64]:
    """Pairs (row of `first`, row of `second`), (number, 2), for each row of `second` that has a near row in `first`.

    Two images are near if their difference hashes are close (8×8 comparisons between neighbours in a reduction to 8×9
    means: D. Kind's dHash, N. Krawetz 2013) and their reductions correlate. Empty where there are too many pairs.
    """
    if not len(first) or not len(second) or len(first) * len(second) > _MOST_PAIRS:
        return np.empty((0, 2), np.int64)
    (hashes, small), (others, small_others) = _reduced(first), _reduced(second)
    step = max(1, _STEP_PAIRS // len(hashes))
    return np.array(
        [
            (near, begin + row)
            for begin in range(0, len(others), step)
            for row, near in _nearest(hashes, small, others[begin : begin + step], small_others[begin : begin + step])
        ],
        np.int64,
    ).reshape(-1, 2)


def _nearest(
    hashes: NDArray[np.uint64], small: NDArray[np.float32], others: NDArray[np.uint64], these: NDArray[np.float32]
) -> Iterator[tuple[int, int]]:
    apart = np.bitwise_count(others[:, np.newaxis] ^ hashes)
    for row in np.flatnonzero((apart <= _DISTANCE).any(axis=1)):
        near = np.flatnonzero(apart[row] <= _DISTANCE)
        alike = small[near] @ these[row]
        if alike.max() >= _CORRELATION:
            yield int(row), int(near[alike.argmax()])


def _reduced(rows: Rows) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """The hash of each image, and its reduction to 16×16 of mean 0 and length 1."""
    hashes, small = [], []
    for chunk in chunks(rows):
        grey = chunk[..., 0].astype(np.float32) if chunk.shape[-1] == 1 else chunk @ _LUMA
        larger = _means(grey, 8, 9)[:, :, 1:] > _means(grey, 8, 9)[:, :, :-1]
        hashes.append(np.packbits(larger.reshape(-1, 64), axis=1).view(np.uint64)[:, 0])
        flat = _means(grey, _SIDE, _SIDE).reshape(len(grey), -1)
        flat -= flat.mean(axis=1, keepdims=True)
        small.append(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))
    return np.concatenate(hashes), np.concatenate(small)


def _means(grey: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Means over `height` × `width` areas of each image."""
    for axis, number in ((1, height), (2, width)):
        edges = np.arange(number) * grey.shape[axis] // number
        sizes = np.diff([*edges, grey.shape[axis]]).astype(np.float32)
        grey = np.add.reduceat(grey, edges, axis=axis)
        grey /= sizes[:, np.newaxis] if axis == 1 else sizes
    return grey
