"""The sections of `gradient_search.py`."""
