"""The error of the package."""


class DataError(ValueError):
    """A data set cannot be read, or its arrays do not fit together. The message is one line."""


class NotFoundError(DataError):
    """A file or folder of the data is missing."""


def not_read(path: object, error: Exception, looked_in: str = "") -> DataError:
    """The error for a file that the system cannot open: a `NotFoundError` where it is missing."""
    reason = getattr(error, "strerror", None) or error
    kind = NotFoundError if isinstance(error, FileNotFoundError) else DataError
    return kind(f"{path}: {reason}{looked_in}")
