"""Finds files that a configuration names by a relative path, in the working folder or beside the configuration."""

from pathlib import Path

_FOLDERS: list[Path] = []


def look_in(folder: Path) -> None:
    """Search `folder` too from now on, before the folders given earlier."""
    folder = folder.resolve()
    if folder in _FOLDERS:
        _FOLDERS.remove(folder)
    _FOLDERS.insert(0, folder)


def folders() -> tuple[Path, ...]:
    """The folders that are searched after the working folder."""
    return tuple(_FOLDERS)


def located(path: str | Path) -> Path:
    """The path of a file in the working folder, else in a configuration's folder; `path` itself if it is in neither."""
    given = Path(path)
    candidates = (given, *(folder / given for folder in _FOLDERS))
    return next((each for each in candidates if _exists(each)), given)


def where(path: str | Path) -> str:
    """The folders searched for a relative path, for messages, as ` (looked in …)`; empty for an absolute path."""
    if Path(path).is_absolute():
        return ""
    looked = dict.fromkeys([Path.cwd(), *_FOLDERS])
    return f" (looked in {' and in '.join(map(str, looked))})"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
