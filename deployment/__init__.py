"""From a trained candidate to files for the device, each run before it is handed over."""

from deployment.manifest import ExportError, Manifest

__all__ = ["ExportError", "Manifest"]
