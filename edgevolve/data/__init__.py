"""Data sets as NumPy arrays with leak-proof splits."""

from edgevolve.data.digits import Digits
from edgevolve.data.keras_datasets import KerasDataset
from edgevolve.data.npz import NpzImages
from edgevolve.data.split import DataError, DataSet, Split, Splits, as_float, fingerprint, hold_out

DATA_SETS = {"Digits": Digits, "NpzImages": NpzImages, "KerasDataset": KerasDataset}
"""What an export can load again from a journal, by the name of its class."""

__all__ = [
    "DATA_SETS",
    "DataError",
    "DataSet",
    "Digits",
    "KerasDataset",
    "NpzImages",
    "Split",
    "Splits",
    "as_float",
    "fingerprint",
    "hold_out",
]
