"""A small `.tflite` for each kernel of TensorFlow Lite Micro and each type that it takes, by name."""

from tests.tflite.custom_operator_files import CUSTOM_CASES
from tests.tflite.plain_operator_files import PLAIN_CASES
from tests.tflite.stateful_operator_files import STATEFUL_CASES
from tests.tflite.weighted_operator_files import WEIGHTED_CASES

CASES = CUSTOM_CASES | PLAIN_CASES | WEIGHTED_CASES | STATEFUL_CASES
