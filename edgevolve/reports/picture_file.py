"""Writes pictures of one file or network as .png or .svg."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgevolve.runs import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS = (".png", ".svg")


def check_picture(path: Path) -> None:
    """Raise `ConfigError` unless `path` names a picture that can be written."""
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(f"{path}: a picture is written as {' or '.join(_FORMATS)}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}")


def write_picture(path: Path, figure: "Figure") -> None:
    """Write the figure; equal figures give equal bytes. Raises `ConfigError` if it cannot be written."""
    import matplotlib

    check_picture(path)
    settings = {"svg.hashsalt": "edgevolve", "svg.fonttype": "none"}
    with matplotlib.rc_context(settings):  # type: ignore[arg-type]
        try:
            figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error


def plain(text: str) -> str:
    """Text that Matplotlib draws literally: without formulas, and without letters that its font may lack."""
    return text.replace("…", "...").encode("ascii", "replace").decode().replace("$", r"\$")
