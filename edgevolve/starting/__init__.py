"""From a folder of data and the name of a board to a configuration that runs as it is."""

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

__all__ = ["Kind", "Plan", "Reading", "Wishes", "config_text", "looked_at", "planned"]


def looked_at(path: str, board: str, wishes: Wishes) -> Reading:
    """How the data at `path` are to be read for a board.

    Raises `DataError`, in one line, for what cannot be read or has no labels; `PredictorError` for an unknown board.
    """
    arena_bytes = board_of(board).arena.free_bytes
    with by_options():
        found = kind_of(os.path.abspath(Path(path).expanduser()))
        inner = classes_below(found.path) if os.path.isdir(found.path) else ""
        if inner:
            raise DataError(f"{shown(path)}: holds only a folder; its classes seem to be in {shown(inner)}: give that")
        if wishes.label is not None and found.kind not in (Kind.TABLE, Kind.RECORDINGS):
            raise DataError(f"{path}: --label names a column of a table; here classes are {found.kind}'s folders")
        match found.kind:
            case Kind.IMAGES:
                return images(found.path, arena_bytes, wishes)
            case Kind.ARRAYS:
                return archive(found.path)
            case Kind.TABLE:
                return table(found.path, wishes)
            case Kind.SOUND:
                return sound(found.path, wishes)
            case Kind.FOLDER:
                return recordings_in_files(found.path, wishes)
            case Kind.RECORDINGS:
                return recordings_in_one_file(found.path, wishes)
