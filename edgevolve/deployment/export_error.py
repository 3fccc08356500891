"""What an export raises. TensorFlow is not loaded here."""


class ExportError(ValueError):
    """The export would destroy something, or cannot be written. The message is one line."""
