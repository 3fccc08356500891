"""Graph to trained weights. This package itself imports no TensorFlow; its modules other than `settings` do."""

from edgevolve.training.settings import TrainingDiverged, TrainingSettings

__all__ = ["TrainingDiverged", "TrainingSettings"]
