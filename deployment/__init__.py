"""From a trained candidate to files for the device, each run before it is handed over."""

from deployment.export_error import ExportError
from deployment.manifest import Manifest

__all__ = ["ExportError", "Manifest"]
