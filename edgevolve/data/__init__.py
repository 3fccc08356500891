"""Data sets as NumPy arrays with leak-proof splits."""

from edgevolve.data.data_error import DataError
from edgevolve.data.digits import Digits
from edgevolve.data.keras_datasets import KerasDataset
from edgevolve.data.npz import NpzImages
from edgevolve.data.rows import Rows, StoredArray, chunks
from edgevolve.data.split import DataSet, Split, Splits, as_float, fingerprint, hold_out

DATA_SETS = {"Digits": Digits, "NpzImages": NpzImages, "KerasDataset": KerasDataset}
"""What an export can load again from a journal, by the name of its class."""

__all__ = [
    "DATA_SETS",
    "DataError",
    "DataSet",
    "Digits",
    "KerasDataset",
    "NpzImages",
    "Rows",
    "Split",
    "Splits",
    "StoredArray",
    "as_float",
    "chunks",
    "fingerprint",
    "hold_out",
]
