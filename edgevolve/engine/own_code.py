"""Sends a user's own code along with a task, as it is not installed on the workers."""

import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from edgevolve.runs import Task

PACKAGES = ("edgevolve", "predictors", "resource_models", "search_algorithms", "search_space")
"""Our packages, which every worker has."""


def ship_by_value(task: Task) -> None:
    """Make pickling include modules from the folder of the task's module, or of the configuration."""
    from ray import cloudpickle

    homes = {_folder(sys.modules.get(name)) for name in (type(task).__module__, "edgevolve_config")} - {None}
    installed = Path(sysconfig.get_path("purelib")).resolve()
    for module in list(sys.modules.values()):
        top = getattr(module, "__name__", "__main__").partition(".")[0]
        folder = _folder(module)
        if folder is None or top in (*PACKAGES, "configs", "driver", "__main__") or folder.is_relative_to(installed):
            continue
        if any(home is not None and folder.is_relative_to(home) for home in homes):
            cloudpickle.register_pickle_by_value(module)


def _folder(module: ModuleType | None) -> Path | None:
    """The file of a module; None if it has none or is one of this project."""
    file = getattr(module, "__file__", None)
    if module is None or file is None or module.__name__.partition(".")[0] in PACKAGES:
        return None
    return Path(file).resolve().parent
