"""The versions that decide a result: journaled, and the same on every node of a cluster."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("edgevolve", "keras", "numpy", "ray", "scikit-learn", "tensorflow")


def installed_versions() -> dict[str, str]:
    """Version by package name, with Python's; nothing is imported for it."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "none"
    return versions
