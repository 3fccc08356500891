"""The error that an export raises. TensorFlow is not loaded here."""


class ExportError(ValueError):
    """The export would overwrite other files, cannot be written, or does not agree with the network. One line."""
