"""Reads new files as the device would: the clips, windows, frames or rows that an exported model takes."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import DataError, SensorFolder, Table
from edgevolve.data.audio_folder import AUDIO_SUFFIXES, clips_of
from edgevolve.data.csv_file import is_missing, opened
from edgevolve.data.image_folder import IMAGE_SUFFIXES, image_pixels
from edgevolve.data.sensor_folder import recordings_of
from edgevolve.data.unreadable import Unreadable, shown
from edgevolve.data.wav_file import Wav
from edgevolve.deployment.ready_model import ReadyModel

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class Example:
    """A name, and raw examples (number, ...) that get one answer together, such as the windows of a recording."""

    name: str
    raw: NDArray[Any]


def new_examples(path: str, model: ReadyModel) -> list[Example]:
    """The examples in a file. Raises `DataError`, in one line, for a file that the model cannot take."""
    name = shown(path)
    suffix = Path(path).suffix.lower()
    try:
        if not Path(path).is_file():
            raise DataError("is a folder; give files" if Path(path).is_dir() else "no such file")
        read = _reader(suffix, model)
        examples = read(path, model)
    except DataError as error:
        line = str(error).removeprefix(f"{name}: ").partition("; skip_unreadable=True")[0]
        raise DataError(f"{name}: {line}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
    for example in examples:
        if example.raw.dtype.kind == "f" and not np.isfinite(example.raw).all():
            raise DataError(f"{name}: holds a value that is not a finite number")
    return examples


def _reader(suffix: str, model: ReadyModel) -> Callable[[str, ReadyModel], list[Example]]:
    is_image = model.read_type == "uint8" and model.read_shape[-1] in (1, 3)
    known: dict[str, Callable[[str, ReadyModel], list[Example]]] = {".npy": _array}
    if is_image:
        known |= dict.fromkeys(IMAGE_SUFFIXES, _image)
    elif model.read_type == "int16":
        known |= dict.fromkeys(AUDIO_SUFFIXES, _sound)
    elif model.read_type == "float32":
        known |= dict.fromkeys(TEXT_SUFFIXES, _rows if model.data.get("type") == "Table" else _recording)
    if suffix not in known:
        raise DataError(f"this model reads {', '.join(known)}")
    return known[suffix]


def _image(path: str, model: ReadyModel) -> list[Example]:
    height, width, channels = model.read_shape
    resizes = bool(model.data.get("size")) or hasattr(model.front_end, "read")
    pixels = image_pixels(path, (height, width, channels), resizes, Unreadable(False), [])
    assert pixels is not None
    return [Example(shown(path), pixels[np.newaxis])]


def _sound(path: str, model: ReadyModel) -> list[Example]:
    wav = Wav.opened(path)
    rate = getattr(model.front_end, "rate", None) or model.data.get("rate") or wav.rate
    stride = model.data.get("stride")
    samples = wav.at(int(rate), bool(model.data.get("mix")))
    step = max(1, round(stride * rate)) if stride else None
    clips = clips_of(samples, model.read_shape[0], step)
    return [Example(shown(path), clips.reshape(len(clips), *model.read_shape))]


def _recording(path: str, model: ReadyModel) -> list[Example]:
    steps, channels = model.read_shape[0], model.read_shape[-1]
    columns = model.data.get("columns")
    settings: dict[str, Any] = {name: model.data.get(name) for name in ("axes", "rate")}
    data = SensorFolder(path, columns=tuple(columns) if columns else None, **settings)
    stride = model.data.get("stride") or max(1, steps // 2)
    try:
        recordings = recordings_of(path, data, channels)
    except DataError as error:
        raise DataError(str(error).replace("but the first recording has", "the model takes")) from None
    examples = []
    for number, values in enumerate(recordings):
        if len(values) < steps:
            raise DataError(f"has {len(values)} steps, the model takes {steps}")
        views = np.lib.stride_tricks.sliding_window_view(values, steps, axis=0)[::stride]
        raw = np.moveaxis(views, 2, 1).reshape(len(views), *model.read_shape)
        name = shown(path) if len(recordings) == 1 else f"{shown(path)}, line {number + 1}"
        examples.append(Example(name, raw))
    return examples


def _rows(path: str, model: ReadyModel) -> list[Example]:
    """The rows of a table with the columns of the one that the model was trained on."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in model.data.items()
    }
    known: dict[str, Any] = {name: fields[name] for name in Table.__dataclass_fields__ if name in fields}
    try:
        inputs = Table(**known).inputs
    except DataError as error:
        raise DataError(f"the table of the training is needed for its columns: {error}") from None
    file = opened(path)
    columns = [name if name in file.names else name.rpartition("=")[0] for name in inputs]
    lacking = [name for name in columns if name not in file.names]
    if lacking:
        raise DataError(
            f"has no column {lacking[0] or inputs[columns.index('')]}; it has {', '.join(file.names)[:150]}"
        )
    examples: list[Example] = []
    for cells in file.cells(columns):
        numbers = file.numbers(cells)
        for row, (words, values) in enumerate(zip(cells, numbers, strict=True)):
            for place, name in enumerate(inputs):
                if name not in file.names:
                    values[place] = (
                        np.nan if is_missing(words[place]) else words[place].strip() == name.rpartition("=")[2]
                    )
            if not np.isfinite(values).all():
                place = int(np.isnan(values).argmax())
                raise DataError(file.complaint(len(examples), columns[place], words[place]))
            raw = values.astype(np.float32).reshape(1, *model.read_shape)
            examples.append(Example(f"{shown(path)}, row {row + 1}", raw))
    if not examples:
        raise DataError("has no row below its header")
    return examples


def _array(path: str, model: ReadyModel) -> list[Example]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy raises several kinds of errors for other files
        raise DataError(f"is not an array ({' '.join(str(error).split())[:100]})") from error
    wanted = np.dtype(model.read_type)
    shape = model.read_shape
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        raise DataError("must hold numbers")
    if wanted.kind in "ui" and array.dtype != wanted:
        raise DataError(f"holds {array.dtype}, the model reads {wanted}")
    if (
        array.size == 0
        or array.size % prod(shape)
        or _plain(array.shape) not in (_plain(shape), _plain(array.shape[:1] + shape))
    ):
        raise DataError(f"is {array.shape}, the model reads {shape}, or several of them")
    examples = array.reshape(-1, *shape).astype(wanted)
    if len(examples) == 1:
        return [Example(shown(path), examples)]
    return [Example(f"{shown(path)}, {number}", example[np.newaxis]) for number, example in enumerate(examples)]


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without axes of length 1."""
    return tuple(side for side in shape if side != 1)
