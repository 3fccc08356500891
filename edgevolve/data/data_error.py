"""The error of the package."""


class DataError(ValueError):
    """A data set cannot be read, or its arrays do not fit together. The message is one line."""
