"""Data sets as NumPy arrays with leak-proof splits."""

from data.split import Split, Splits, as_float

__all__ = ["Split", "Splits", "as_float"]
