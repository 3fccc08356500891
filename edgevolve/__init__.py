"""Hardware-aware architecture search for microcontrollers and Edge TPUs.

`from edgevolve import ...` gives every name that a configuration or a script needs. A name is loaded when it is first
asked for, so that importing this package loads neither TensorFlow nor Ray. Where a name lives is private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgevolve.spelling import suggestion

if TYPE_CHECKING:
    from edgevolve.data import (
        AudioFolder,
        Classes,
        DataError,
        DataSet,
        Diabetes,
        Digits,
        DigitsAnomalies,
        Features,
        ImageFolder,
        Itself,
        KerasDataset,
        Mel,
        Micro,
        NpzImages,
        Resize,
        SensorFolder,
        SensorTable,
        Spectrum,
        Split,
        Splits,
        Standardise,
        Table,
        Values,
        hold_out,
        with_front_end,
    )
    from edgevolve.engine import (
        DARTS,
        Inherited,
        Inline,
        ProxylessNAS,
        SharedFrom,
        Supernet,
        Teach,
        VirtualTime,
        search,
    )
    from edgevolve.graph import Graph, GraphBuilder
    from edgevolve.metric import Metric
    from edgevolve.quantisation import Quantise
    from edgevolve.runs import ConfigError, FrontEndChoices, Job, JournalError, Needs, Record, Run, SearchConfig, Task
    from edgevolve.training import CrossValidate, Distil, Progress, Prune, TrainingSettings
    from predictors import Device, DevicePredictor, EdgeTPUv6Predictor, Estimated, PredictorError, TiNpu
    from search_algorithms import (
        NSGA3,
        REINFORCE,
        AgingEvolution,
        BayesianOptimisation,
        Completed,
        Curtailed,
        Derived,
        Failed,
        GridSearch,
        Inherit,
        LocalSearch,
        Problem,
        ProblemError,
        RandomSearch,
        Screened,
        SuccessiveHalving,
        SurrogateEvolution,
        at_least,
        at_most,
        maximise,
        minimise,
        target,
    )
    from search_space import (
        CellSpace,
        CnnSpace,
        DeclaredSpace,
        MlpSpace,
        MobileSpace,
        NasBench201Space,
        Recipes,
        SearchSpace,
    )

_NAMES = {
    "edgevolve.data": (
        "AudioFolder",
        "Classes",
        "DataError",
        "DataSet",
        "Diabetes",
        "Digits",
        "DigitsAnomalies",
        "Features",
        "ImageFolder",
        "Itself",
        "KerasDataset",
        "Mel",
        "Micro",
        "NpzImages",
        "Resize",
        "SensorFolder",
        "SensorTable",
        "Spectrum",
        "Split",
        "Splits",
        "Standardise",
        "Table",
        "Values",
        "hold_out",
        "with_front_end",
    ),
    "edgevolve.engine": (
        "DARTS",
        "Inherited",
        "Inline",
        "ProxylessNAS",
        "SharedFrom",
        "Supernet",
        "Teach",
        "VirtualTime",
        "search",
    ),
    "edgevolve.graph": ("Graph", "GraphBuilder"),
    "edgevolve.metric": ("Metric",),
    "edgevolve.quantisation": ("Quantise",),
    "edgevolve.runs": (
        "ConfigError",
        "FrontEndChoices",
        "Job",
        "JournalError",
        "Needs",
        "Record",
        "Run",
        "SearchConfig",
        "Task",
    ),
    "edgevolve.training": ("CrossValidate", "Distil", "Progress", "Prune", "TrainingSettings"),
    "predictors": ("Device", "DevicePredictor", "EdgeTPUv6Predictor", "Estimated", "PredictorError", "TiNpu"),
    "search_algorithms": (
        "NSGA3",
        "REINFORCE",
        "AgingEvolution",
        "BayesianOptimisation",
        "Completed",
        "Curtailed",
        "Derived",
        "Failed",
        "GridSearch",
        "Inherit",
        "LocalSearch",
        "Problem",
        "ProblemError",
        "RandomSearch",
        "Screened",
        "SuccessiveHalving",
        "SurrogateEvolution",
        "at_least",
        "at_most",
        "maximise",
        "minimise",
        "target",
    ),
    "search_space": (
        "CellSpace",
        "CnnSpace",
        "DeclaredSpace",
        "MlpSpace",
        "MobileSpace",
        "NasBench201Space",
        "Recipes",
        "SearchSpace",
    ),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Load `name` from its module. Raises `AttributeError` for an unknown name."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{suggestion(name, _HOMES)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
