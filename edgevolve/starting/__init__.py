"""Writes a complete configuration from a folder of data and the name of a board."""

import os
from pathlib import Path

from edgevolve.data import DataError
from edgevolve.data.unreadable import shown
from edgevolve.starting.config_text import config_text
from edgevolve.starting.kinds import Kind, classes_below, kind_of
from edgevolve.starting.look_at_images import archive, images
from edgevolve.starting.look_at_recordings import recordings_in_files, recordings_in_one_file
from edgevolve.starting.look_at_sound import sound
from edgevolve.starting.look_at_table import table
from edgevolve.starting.plan import Plan, planned
from edgevolve.starting.reading import Reading, Wishes, by_options
from predictors import board as board_of

__all__ = ["Kind", "Plan", "Reading", "Wishes", "config_text", "looked_at", "planned", "read_as_it_looks"]


def looked_at(path: str, board: str, wishes: Wishes) -> Reading:
    """Look at the data at `path` and choose a reader and its settings for a board.

    Raises `DataError`, in one line, for data that cannot be read or have no labels, and `PredictorError` for an unknown
    board.
    """
    return read_as_it_looks(path, board_of(board).arena.free_bytes, wishes)


def read_as_it_looks(path: str, arena_bytes: int, wishes: Wishes) -> Reading:
    """Do the same for an arena of `arena_bytes`, which limits the size of images. Raises `DataError`."""
    with by_options():
        kind = kind_of(os.path.abspath(Path(path).expanduser()))
        inner = classes_below(kind.path) if os.path.isdir(kind.path) else ""
        if inner:
            raise DataError(f"{shown(path)}: holds only a folder; its classes seem to be in {shown(inner)}: give that")
        if wishes.label is not None and kind.kind not in (Kind.TABLE, Kind.RECORDINGS):
            raise DataError(f"{path}: --label names a column of a table; here classes are {kind.kind}'s folders")
        match kind.kind:
            case Kind.IMAGES:
                return images(kind.path, arena_bytes, wishes)
            case Kind.ARRAYS:
                return archive(kind.path)
            case Kind.TABLE:
                return table(kind.path, wishes)
            case Kind.SOUND:
                return sound(kind.path, wishes)
            case Kind.FOLDER:
                return recordings_in_files(kind.path, wishes)
            case Kind.RECORDINGS:
                return recordings_in_one_file(kind.path, wishes)
