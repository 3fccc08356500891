"""Data sets as NumPy arrays with leak-proof splits."""

from edgevolve.data.audio_folder import AudioFolder
from edgevolve.data.chosen import FRONT_ENDS
from edgevolve.data.data_error import DataError, NotFoundError
from edgevolve.data.diabetes import Diabetes
from edgevolve.data.digits import Digits, DigitsAnomalies
from edgevolve.data.examine import DataReport, differs, examine, load_splits
from edgevolve.data.features import Features
from edgevolve.data.front_end import Fittable, FrontEnd, Pixels, Prepared, Samples, Standardise, Unchanged
from edgevolve.data.image_folder import ImageFolder
from edgevolve.data.keras_datasets import KerasDataset
from edgevolve.data.mel import Mel
from edgevolve.data.micro_front_end import Micro
from edgevolve.data.npz import NpzImages
from edgevolve.data.resize import Resize
from edgevolve.data.rows import Rows, StoredArray, chunks
from edgevolve.data.scaling import standardised, with_front_end
from edgevolve.data.sensor_folder import SensorFolder
from edgevolve.data.sensor_table import SensorTable
from edgevolve.data.spectrum import Spectrum
from edgevolve.data.split import DataSet, Split, Splits, as_float, fingerprint, hold_out
from edgevolve.data.table import Table
from edgevolve.data.target import Classes, Itself, Target, Values, classes_of, target_of

_PACKAGED = (
    AudioFolder,
    Digits,
    DigitsAnomalies,
    Diabetes,
    ImageFolder,
    KerasDataset,
    NpzImages,
    SensorFolder,
    SensorTable,
    Table,
)
DATA_SETS = {kind.__name__: kind for kind in _PACKAGED}
"""The data sets that an export can load again from a journal, by the name of their class."""

PARTS = {**DATA_SETS, **FRONT_ENDS, "Features": Features}
"""`DATA_SETS`, and the classes that may be values in a data set."""

__all__ = [
    "DATA_SETS",
    "FRONT_ENDS",
    "PARTS",
    "AudioFolder",
    "Classes",
    "DataError",
    "DataReport",
    "DataSet",
    "Diabetes",
    "Digits",
    "DigitsAnomalies",
    "Features",
    "Fittable",
    "FrontEnd",
    "ImageFolder",
    "Itself",
    "KerasDataset",
    "Mel",
    "Micro",
    "NotFoundError",
    "NpzImages",
    "Pixels",
    "Prepared",
    "Resize",
    "Rows",
    "Samples",
    "SensorFolder",
    "SensorTable",
    "Spectrum",
    "Split",
    "Splits",
    "Standardise",
    "StoredArray",
    "Table",
    "Target",
    "Unchanged",
    "Values",
    "as_float",
    "chunks",
    "classes_of",
    "differs",
    "examine",
    "fingerprint",
    "hold_out",
    "load_splits",
    "standardised",
    "target_of",
    "with_front_end",
]
