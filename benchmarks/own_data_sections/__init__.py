"""Parts of `own_data.py`."""
