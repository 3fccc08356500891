"""What single parts of compression cost and gain, a module each; `compression.py` runs them.

To add a section, write a module with `measure(options) -> Found` and name it and its figures in `section.py`.
"""
