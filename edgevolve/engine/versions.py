"""The versions that decide a result; they are journaled, and must be the same on every node of a cluster."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "ai-edge-litert",
    "edgevolve",
    "keras",
    "numpy",
    "pymoo",
    "ray",
    "scikit-learn",
    "scipy",
    "tensorflow",
    "xgboost",
)


def installed_versions() -> dict[str, str]:
    """Versions by package name, Python's included; nothing is imported."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "none"
    return versions
