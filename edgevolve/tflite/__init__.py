"""Files of TensorFlow Lite: reading any `.tflite` without trust, writing ours, one declared row an operator.

>>> model = load_tflite(Path("model.tflite"))
>>> model.graph, model.operators  # the network, and each operator as the file has it
>>> write_tflite(graph, constants, quantised)  # bytes of an int8 file, scales by channel
>>> ROWS["CONV_2D"].method
'AddConv2D'
"""

from edgevolve.tflite.c_array import C_SUFFIXES
from edgevolve.tflite.custom_rows import CUSTOM_ROWS
from edgevolve.tflite.graph_operators import operators
from edgevolve.tflite.model import Signature, Subgraph, TfliteError, TfliteModel
from edgevolve.tflite.one_scale import of_one_scale
from edgevolve.tflite.operator_rows import ROWS, needs, row_of, tflite_name
from edgevolve.tflite.reader import IDENTIFIER, PLAN_NAME, load_tflite, model_bytes, read_tflite
from edgevolve.tflite.row import Field, Kept, Kernel, Needs, Operator, Row
from edgevolve.tflite.runtimes import Verdict, compiled_for, open_sizes, runtimes
from edgevolve.tflite.skeleton import skeleton
from edgevolve.tflite.targets import CORTEX_M, HOST, TARGETS, KernelSet, Target
from edgevolve.tflite.writer import Quantisation, write_tflite

__all__ = [
    "CORTEX_M",
    "CUSTOM_ROWS",
    "C_SUFFIXES",
    "HOST",
    "IDENTIFIER",
    "PLAN_NAME",
    "ROWS",
    "TARGETS",
    "Field",
    "Kept",
    "Kernel",
    "KernelSet",
    "Needs",
    "Operator",
    "Quantisation",
    "Row",
    "Signature",
    "Subgraph",
    "Target",
    "TfliteError",
    "TfliteModel",
    "Verdict",
    "compiled_for",
    "load_tflite",
    "model_bytes",
    "needs",
    "of_one_scale",
    "open_sizes",
    "operators",
    "read_tflite",
    "row_of",
    "runtimes",
    "skeleton",
    "tflite_name",
    "write_tflite",
]
