"""Training on data larger than memory: every chunk is one call of the same compiled function."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.data import Rows, Split, Target, chunks
from edgevolve.data.rows import CHUNK_BYTES, IN_MEMORY_BYTES, size_bytes
from edgevolve.data.split import FULL_SCALE
from edgevolve.training.descent import Descent

BLOCK_BYTES = 128 << 10
"""Bytes of neighbouring rows that are read together, from a random place in the file."""

Epoch = Callable[[Any, int], tuple[Any, float, NDArray[np.float32]]]
"""(state, number of the epoch from 0) -> (state after it, mean loss, validation outputs)."""


def is_streamed(*parts: Rows) -> bool:
    """Whether any of these rows stay in a file and all of them together exceed `IN_MEMORY_BYTES`."""
    in_files = any(not isinstance(rows, np.ndarray) for rows in parts)
    return in_files and sum(map(size_bytes, parts)) > IN_MEMORY_BYTES


def fed(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows in a type that compiled functions take: integers of `FULL_SCALE` as they are, others as float32."""
    return rows if rows.dtype.name in FULL_SCALE else rows.astype(np.float32, copy=False)


def answers(split: Split, target: Target) -> Any:
    """The wanted answers of a split as a tensor; empty, (number, 0), if they are the inputs themselves."""
    wanted = target.answers(split.y[:])
    return tf.zeros((len(split), 0)) if wanted is None else tf.constant(wanted)


def in_chunks(descent: Descent, train: Split, wanted: Any, validation: Split, key: int) -> Epoch:
    """An epoch as one call for each chunk of the training split, shuffled anew, then one for each of validation."""
    batches = [_batches(size, descent.settings.batch_size) for size in np.diff(_bounds(train.x)).tolist()]
    each = sum(len(bounds) - 1 for bounds in batches)

    def call(x: Any, y: Any, bounds: Any, state: Any, seed: Any, begin: Any) -> tuple[Any, Any]:
        return descent.steps(x, y, bounds, state, seed, begin, descent.settings.epochs * each)

    state_like = descent.state_like
    x_like, y_like = _like(train.x), tf.TensorSpec((None, *wanted.shape[1:]), wanted.dtype)
    numbers, pair, count = (
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((2,), tf.int64),
        tf.TensorSpec((), tf.int32),
    )
    compiled = tf.function(call, autograph=False, input_signature=(x_like, y_like, numbers, state_like, pair, count))
    validate = tf.function(descent.outputs, autograph=False, input_signature=(state_like, _like(validation.x)))

    def epoch(state: Any, number: int) -> tuple[Any, float, NDArray[np.float32]]:
        total, done = 0.0, number * each
        for rows, bounds in zip(shuffled_chunks(train.x, (key, number)), batches, strict=True):
            x, y = tf.constant(fed(train.x[rows])), tf.gather(wanted, rows)
            seed, begin = tf.constant([key, done], tf.int64), tf.constant(done)
            state, loss = compiled(x, y, tf.constant(bounds), state, seed, begin)
            total, done = total + float(loss), done + len(bounds) - 1
        return state, total / each, outputs_in_chunks(partial(validate, state), validation.x)

    return epoch


def outputs_in_chunks(compiled: Callable[[Any], Any], rows: Rows) -> NDArray[np.float32]:
    """The outputs of a compiled function for all rows; rows that do not fit into memory are read in chunks."""
    pieces = chunks(rows) if is_streamed(rows) else (rows[:],)
    return np.concatenate([compiled(tf.constant(fed(piece))).numpy() for piece in pieces])


def shuffled_chunks(rows: Rows, seed: tuple[int, int]) -> Iterator[NDArray[np.int64]]:
    """The index of every row once, in chunks of about `CHUNK_BYTES`, each sorted. Equal seeds give equal chunks.

    A chunk consists of blocks of neighbouring rows from all over the file, so that reading is fast and classes are
    mixed, also where the file is sorted by class.
    """
    block = max(1, BLOCK_BYTES * len(rows) // max(1, size_bytes(rows)))
    blocks = np.random.default_rng(seed).permutation(-(-len(rows) // block))
    order = (blocks[:, np.newaxis] * block + np.arange(block)).ravel()
    order = order[order < len(rows)]
    bounds = _bounds(rows)
    for begin, end in pairwise(bounds.tolist()):
        yield np.sort(order[begin:end])


def _like(rows: Rows) -> Any:
    """The input signature of any number of examples, after `fed`."""
    return tf.TensorSpec((None, *rows.shape[1:]), rows.dtype if rows.dtype.name in FULL_SCALE else tf.float32)


def _bounds(rows: Rows) -> NDArray[np.int64]:
    """The begins of chunks and the end of the last; sizes differ by one row at most."""
    number = -(-size_bytes(rows) // CHUNK_BYTES)
    return np.arange(number + 1) * len(rows) // number


def _batches(size: int, batch_size: int) -> NDArray[np.int32]:
    steps = -(-size // batch_size)
    return (np.arange(steps + 1) * size // steps).astype(np.int32)
