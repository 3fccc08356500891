"""From a trained candidate to files for the device; each file is run before it is handed over."""

from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.manifest import Manifest

__all__ = ["ExportError", "Manifest"]
