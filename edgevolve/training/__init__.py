"""Graph to trained weights. Importing this package, its settings and its stages loads no TensorFlow."""

import os

from edgevolve.training.cross_validate import CrossValidate
from edgevolve.training.distil import Distil
from edgevolve.training.prune import Prune
from edgevolve.training.settings import TrainingDiverged, TrainingSettings
from edgevolve.training.stage import (
    Fit,
    FollowsRecipe,
    Foresees,
    Progress,
    Stage,
    TakesOver,
    TrainState,
    foreseen,
    stages_under,
    unreported,
)

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # without it depthwise convolutions of unequal strides do not run

__all__ = [
    "CrossValidate",
    "Distil",
    "Fit",
    "FollowsRecipe",
    "Foresees",
    "Progress",
    "Prune",
    "Stage",
    "TakesOver",
    "TrainState",
    "TrainingDiverged",
    "TrainingSettings",
    "foreseen",
    "stages_under",
    "unreported",
]
