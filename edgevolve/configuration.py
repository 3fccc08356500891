"""Finds a configuration file, the user's own Python, runs it and takes its `config`."""

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgevolve.beside import look_in
from edgevolve.runs import ConfigError, SearchConfig
from edgevolve.spelling import misspelt, suggestion
from edgevolve.tiny_ml import is_tiny_ml, tiny_ml_configuration

MODULE = "edgevolve_config"
"""The name of the configuration as a Python module."""

PACKAGED = Path(__file__).resolve().parents[1] / "configs"
"""The folder of the packaged configurations, which are found by name."""

_MOVED = ("data", "deployment", "engine", "graph", "reports", "runs", "training")
_OURS = ("configs", "edgevolve", "predictors", "resource_models", "search_algorithms", "search_space")
_NO_PYTHON = {
    **dict.fromkeys((".toml", ".json", ".ini"), "a configuration is Python"),
    **dict.fromkeys((".npz", ".npy", ".h5"), "that is data; a configuration names it, as NpzImages does"),
    **dict.fromkeys((".csv", ".tsv", ".ts"), "that is data; a configuration names it, as Table and SensorTable do"),
    ".tflite": "that is a network; see it with: edgevolve inspect",
    ".jsonl": "that is the journal of a run; see it with: edgevolve show",
}


def load_configuration(
    name: str, packaged: Path = PACKAGED, verbs: tuple[str, ...] = (), data: str | None = None
) -> SearchConfig:
    """Run the file `name`, or the file of that name in the folder `packaged`, and take its `config`.

    Modules and data beside the file are found from any working folder. `verbs` are suggested for a misspelt name. A
    YAML file is a configuration of TI's, searched on the data at the path `data` (`edgevolve.tiny_ml`). Raises
    `ConfigError`.
    """
    if is_tiny_ml(name):
        return tiny_ml_configuration(name, data)
    if data is not None:
        raise ConfigError(f"--data {data}: names the data of a .yaml configuration; {name} names its own")
    path = _path_of(name, packaged, verbs)
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    if path.parent != packaged:
        _import_from(path.resolve().parent)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == spec.origin]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else "?"
        raise ConfigError(f"{name}: line {line}: {_words(error, vars(module))}") from None
    config = getattr(module, "config", None)
    if not isinstance(config, SearchConfig):
        fault = "defines no `config`" if config is None else f"`config` is a {type(config).__name__}"
        raise ConfigError(f"{name}: {fault}; it must define `config = SearchConfig(...)`")
    return config


def is_configuration(name: str, packaged: Path = PACKAGED) -> bool:
    """Whether `name` is a YAML file's name, or the path or name of an existing configuration in Python."""
    return is_tiny_ml(name) or any(map(_is_python_file, _candidates(name, packaged)))


def _path_of(name: str, packaged: Path, verbs: tuple[str, ...]) -> Path:
    for path in _candidates(name, packaged):
        if _is_python_file(path):
            return path
    known = sorted(path.stem for path in packaged.glob("[a-z]*.py"))
    reason = _NO_PYTHON.get(Path(name).suffix.lower())
    if reason:
        raise ConfigError(f"{name}: {reason}: give a .py file that defines `config = SearchConfig(...)`")
    if _is_folder(name):
        readers = "a configuration names it, as ImageFolder, SensorFolder and AudioFolder do"
        raise ConfigError(f"{name}: is a folder; {readers}: give a .py file that defines `config = SearchConfig(...)`")
    near = suggestion(Path(name).stem if "/" not in name else name, [*verbs, *known])
    shown = name if len(name) <= 100 else name[:99] + "…"
    raise ConfigError(f"{shown}: no such configuration{near or '; give a .py file, or one of ' + ', '.join(known)}")


def _candidates(name: str, packaged: Path) -> list[Path]:
    by_name = [packaged / f"{Path(name).stem}.py"] if str(Path(name).parent) in (".", "configs") else []
    return [Path(name), *by_name]


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False


def _is_python_file(path: Path) -> bool:
    try:
        return path.suffix == ".py" and path.is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False


def _import_from(folder: Path) -> None:
    """Make modules and data files of `folder` found, here and in the workers that Ray starts on this machine."""
    look_in(folder)
    home = Path(__file__).resolve().parents[1]
    clashing = [name for name in _OURS[1:] if (folder / name).exists() or (folder / f"{name}.py").exists()]
    if clashing and folder != home:
        raise ConfigError(f"{folder}: {clashing[0]} is a package of edgevolve: give yours there another name")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _words(error: BaseException, names: Mapping[str, Any]) -> str:
    """The error in one line, with its class in front if its text alone says too little."""
    try:
        text = " ".join(str(error).split()) + misspelt(error, names)
    except Exception as nested:
        text = f"an error without words ({type(nested).__name__})"
    moved = error.name.partition(".")[0] if isinstance(error, ImportError) and error.name else ""
    if moved in _MOVED and not getattr(sys.modules.get(moved), "__file__", None):  # a folder of that name is none
        return f"{moved} is a part of edgevolve now: write `from edgevolve import ...`, not `from {moved} import ...`"
    ours = type(error).__module__.partition(".")[0] in _OURS and isinstance(error, ValueError)
    return text if ours and text else f"{type(error).__name__}: {text}".rstrip(": ")
