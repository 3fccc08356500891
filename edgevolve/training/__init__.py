"""Graph to trained weights. Importing this package, its settings and its stages loads no TensorFlow."""

import os

from edgevolve.training.settings import TrainingDiverged, TrainingSettings
from edgevolve.training.stage import Fit, Progress, Stage, TrainState, unreported

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # without it depthwise convolutions of unequal strides do not run

__all__ = ["Fit", "Progress", "Stage", "TrainState", "TrainingDiverged", "TrainingSettings", "unreported"]
