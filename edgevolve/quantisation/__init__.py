"""Trained networks in int8: a converter fast enough for every evaluation, and LiteRT to run its files.

>>> network = int8_network(graph, weights, calibration_examples(splits.train))
>>> open_model(network.tflite()).outputs(splits.validation.x)  # int8, (number, outputs)
"""

from edgevolve.quantisation.calibrate import activation_ranges, calibration_examples
from edgevolve.quantisation.finetune import Quantise
from edgevolve.quantisation.float_network import FloatNetwork, float_network
from edgevolve.quantisation.int8_network import int8_network
from edgevolve.quantisation.litert import Int8Model, int8_scores, open_model
from edgevolve.quantisation.quantise import Int8Network, QuantisationError, activation_scales, quantise
from edgevolve.quantisation.score import ScoreInt8

__all__ = [
    "FloatNetwork",
    "Int8Model",
    "Int8Network",
    "QuantisationError",
    "Quantise",
    "ScoreInt8",
    "activation_ranges",
    "activation_scales",
    "calibration_examples",
    "float_network",
    "int8_network",
    "int8_scores",
    "open_model",
    "quantise",
]
