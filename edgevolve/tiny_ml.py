"""Reads TI's configuration of a gradient search, the YAML of its Tiny ML ModelZoo, as a `SearchConfig` of cells."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edgevolve.data import Classes, DataSet, Features, SensorFolder, SensorTable, Spectrum, target_of
from edgevolve.engine import DARTS
from edgevolve.runs import ConfigError, SearchConfig
from edgevolve.starting import Wishes, read_as_it_looks
from edgevolve.training import TrainingSettings
from predictors import TiNpu
from predictors.files import read_yaml
from search_algorithms import Derived, Problem, minimise
from search_space.cells import CellSpace, preset

_Words = Annotated[str, Field(min_length=1, max_length=500)]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]

_COSTS = {"Memory": "model_size_bytes", "Compute": "macs"}
_CUSTOM = {
    "nas_layers": "layers",
    "nas_nodes_per_layer": "nodes",
    "nas_init_channels": "channels",
    "nas_init_channel_multiplier": "stem",
    "nas_fanout_concat": "concat",
}
"""TI's keys, each with the setting of `CellSpace` that it stands for."""

_WITHOUT_A_SIZE = "m"
"""Settings without a key are those of this model size."""

_FFT = re.compile(r"(?:FFT(\d+)Input|Generic_(\d+)Input_FFTBIN)_(\d+)Feature_(\d+)Frame(?:_\w+)?")
_RAW = re.compile(r"(?:Generic_)?(\d+)Input_RAW_(\d+)Feature_1Frame(?:_\w+)?")
_FORMS = "FFT1024Input_256Feature_1Frame, Generic_1024Input_FFTBIN_64Feature_8Frame, 256Input_RAW_256Feature_1Frame"
_WITH_NPU = ("F28P55",)
_OTHER_TASKS = ("regression", "anomaly", "forecasting", "detection_3d", "segmentation")
_IMAGE_ARENA = 101_000
"""The arena in bytes for which the size of images is chosen: the RAM of the smaller F28P55x."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Common(_Section):
    task_type: _Words = "generic_timeseries_classification"
    target_device: _Words = ""


class _Dataset(_Section):
    dataset_name: _Words = ""
    input_data_path: _Words = ""


class _FeatureExtraction(_Section):
    feature_extraction_name: _Words = ""
    variables: _Count | None = None


class _Training(_Section):
    """Training and search by TI's names; either `nas_model_size` or the keys of `_CUSTOM` give the size."""

    enable: bool = True
    training_epochs: _Count = 20
    batch_size: _Count = 64
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.05
    nas_enabled: bool
    nas_epochs: _Count
    nas_optimization_mode: Literal["Memory", "Compute"]
    nas_model_size: Literal["s", "m", "l", "xl", "xxl"] | None = None
    nas_layers: _Count | None = None
    nas_nodes_per_layer: _Count | None = None
    nas_init_channels: _Count | None = None
    nas_init_channel_multiplier: _Count | None = None
    nas_fanout_concat: _Count | None = None


class _Step(_Section):
    """A step of TI's tools after the search; here other verbs do it."""

    enable: bool = True


class TinyMl(_Section):
    """The sections of the file."""

    common: _Common = _Common()
    dataset: _Dataset = _Dataset()
    data_processing_feature_extraction: _FeatureExtraction = _FeatureExtraction()
    training: _Training
    testing: _Step = _Step()
    compilation: _Step = _Step()


def tiny_ml_configuration(path: str, data: str | None) -> SearchConfig:
    """The search that the file describes, on the data at `data`, or at its own `input_data_path`.

    Nothing in the file is executed. Mode Memory becomes `minimise("model_size_bytes")`, Compute `minimise("macs")`. The
    search trains the most likely network. For a device with an NPU, `npu_rules_broken` is a metric.

    Raises `ConfigError`, `PredictorError` or `DataError`, in one line, for a file that cannot be searched.
    """
    given = read_yaml(path, TinyMl, "configuration of TI's Tiny ML ModelZoo")
    training = given.training
    for name, on in (("enable", training.enable), ("nas_enabled", training.nas_enabled)):
        if not on:
            raise ConfigError(f"{path}: training.{name} is False: there is nothing to search")
    task = given.common.task_type
    if any(other in task.lower() for other in _OTHER_TASKS):
        raise ConfigError(f"{path}: common.task_type: {task}: TI's search finds only classifiers")
    source = data or given.dataset.input_data_path
    if not source:
        raise ConfigError(f"{path}: says nothing of where the data are: add --data PATH")
    read = _data(path, given, read_as_it_looks(source, _IMAGE_ARENA, Wishes()).data)
    target = target_of(read)
    if not isinstance(target, Classes):
        raise ConfigError(f"{source}: has values, no classes: TI's search finds only classifiers")
    cells = _cells(path, training)
    try:
        space = CellSpace(tuple(read.input_shape), target.number, **cells)
    except ValueError as error:
        raise ConfigError(f"{path}: training: {error}") from error
    settings = TrainingSettings(training.training_epochs, training.batch_size, learning_rate=training.learning_rate)
    npu = given.common.target_device.upper().startswith(_WITH_NPU)
    return SearchConfig(
        data=read,
        space=space,
        problem=Problem([minimise("error"), minimise(_COSTS[training.nas_optimization_mode])]),
        prepare=DARTS(training=replace(settings, epochs=training.nas_epochs)),
        algorithm=Derived(),
        training=settings,
        evaluations=1,
        metrics=(TiNpu(),) if npu else (),
    )


def _cells(path: str, training: _Training) -> dict[str, Any]:
    """The settings of the `CellSpace`."""
    custom = {ours: getattr(training, theirs) for theirs, ours in _CUSTOM.items() if getattr(training, theirs)}
    if training.nas_model_size and custom:
        first = next(theirs for theirs in _CUSTOM if getattr(training, theirs))
        raise ConfigError(f"{path}: training: nas_model_size and {first} exclude each other: leave out one")
    if not training.nas_model_size and not custom:
        raise ConfigError(f"{path}: training: give nas_model_size (s, m, l, xl, xxl) or {', '.join(_CUSTOM)}")
    return preset(training.nas_model_size or _WITHOUT_A_SIZE) | custom


def _data(path: str, given: TinyMl, read: DataSet) -> DataSet:
    """The data set with the feature extraction that TI's names describe."""
    extraction = given.data_processing_feature_extraction
    name, channels = extraction.feature_extraction_name, read.input_shape[2]
    place = f"{path}: data_processing_feature_extraction"
    if extraction.variables not in (None, channels):
        raise ConfigError(f"{place}: variables is {extraction.variables}, the data have {channels} channels")
    if not name:
        return read
    if not isinstance(read, SensorFolder | SensorTable):
        raise ConfigError(f"{place}: feature_extraction_name is for recordings of sensors; leave it out")
    raw, fft = _RAW.fullmatch(name), _FFT.fullmatch(name)
    if raw and raw[1] == raw[2]:
        return replace(read, window=int(raw[1]), stride=None)
    if not fft:
        raise ConfigError(
            f"{place}: feature_extraction_name: {name[:100]}: names that are understood are like {_FORMS}"
        )
    steps, bands, frames = int(fft[1] or fft[2]), int(fft[3]), int(fft[4])
    windows = replace(read, window=steps * frames, stride=None, normalise=False)
    return Features(windows, Spectrum(steps * frames, channels, window=steps, stride=steps, bands=bands))


def is_tiny_ml(name: str) -> bool:
    """Whether a file's name is that of a YAML configuration."""
    return Path(name).suffix.lower() in (".yaml", ".yml")
