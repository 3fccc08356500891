"""Graph to trained weights. Importing this package, its settings and its stages loads no TensorFlow."""

from edgevolve.training.settings import TrainingDiverged, TrainingSettings
from edgevolve.training.stage import Fit, Progress, Stage, TrainState, unheard

__all__ = ["Fit", "Progress", "Stage", "TrainState", "TrainingDiverged", "TrainingSettings", "unheard"]
