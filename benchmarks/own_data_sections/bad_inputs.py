"""What people give by mistake: more than a hundred folders and files that are broken, odd or no data at all."""

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import wavfile

Make = Callable[[Path], str | None]


@dataclass(frozen=True, slots=True)
class Case:
    """`make` writes below a folder and may give the path below it; `wishes` are options of `init`."""

    name: str
    make: Make
    wishes: Mapping[str, Any] = field(default_factory=dict)


def images(
    top: Path, classes: tuple[str, ...] = ("cat", "dog"), number: int = 12, side: int = 12, mode: str = "L"
) -> Path:
    """A folder of images that is as it should be."""
    rng = np.random.default_rng(len(classes) + side)
    for label, name in enumerate(classes):
        (top / name).mkdir(parents=True, exist_ok=True)
        for n in range(number):
            shape = (side, side) if mode == "L" else (side, side, 3)
            pixels = rng.integers(60 * label, 60 * label + 60, shape, np.uint8)
            Image.fromarray(pixels).save(top / name / f"{n}.png")
    return top


def sound(
    top: Path, rate: int = 8000, samples: int = 4000, number: int = 8, dtype: type = np.int16, channels: int = 1
) -> Path:
    """A folder of WAV files."""
    rng = np.random.default_rng(rate)
    for label, name in enumerate(("hiss", "hum")):
        (top / name).mkdir(parents=True, exist_ok=True)
        for n in range(number):
            noise = rng.normal(0, 0.1 + 0.1 * label, (samples, channels))
            scale = {np.int16: 30_000, np.uint8: 100, np.int32: 2_000_000_000}.get(dtype, 1)
            values = (noise.clip(-1, 1) * scale + (128 if dtype is np.uint8 else 0)).astype(dtype)
            wavfile.write(top / name / f"{n}.wav", rate, values.squeeze())
    return top


def recordings(
    top: Path, steps: int = 64, number: int = 8, sign: str = ",", decimal: str = ".", rate: float = 100
) -> Path:
    """A folder of CSV files of a sensor."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("rest", "run")):
        (top / name).mkdir(parents=True, exist_ok=True)
        for n in range(number):
            rows = [sign.join(("time_s", "x", "y"))]
            for step in range(steps):
                cells = (step / rate, *rng.normal(0, 1 + label, 2))
                rows.append(sign.join(f"{cell:.4f}".replace(".", decimal) for cell in cells))
            (top / name / f"{n}.csv").write_text("\n".join(rows) + "\n")
    return top


def rows(number: int = 40, label: Callable[[int], str] = lambda row: "ab"[row % 2]) -> list[str]:
    """Lines of a table as it should be."""
    rng = np.random.default_rng(0)
    cells = rng.normal(0, 1, (number, 2)) + np.arange(number)[:, np.newaxis] % 2
    return ["x,y,label", *(f"{x:.3f},{y:.3f},{label(row)}" for row, (x, y) in enumerate(cells))]


def spoilt(make: Callable[..., Path], name: str, content: bytes, **settings: Any) -> Make:
    """Good data with one file more, or one that is replaced."""

    def write(folder: Path) -> None:
        path = make(folder, **settings) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def good(make: Callable[..., Path], **settings: Any) -> Make:
    """Data that are odd and can be read."""

    def write(folder: Path) -> None:
        make(folder, **settings)

    return write


def table(change: Callable[[list[str]], Any], encoding: str = "utf-8") -> Make:
    """A table whose lines are changed; what it gives is text, bytes or lines."""

    def write(folder: Path) -> str:
        changed = change(rows())
        content = (
            changed
            if isinstance(changed, bytes)
            else (changed if isinstance(changed, str) else "\n".join(changed) + "\n").encode(encoding)
        )
        (folder / "table.csv").write_bytes(content)
        return "table.csv"

    return write


def a_file(name: str, content: bytes) -> Make:
    """One file, whatever it is."""

    def write(folder: Path) -> str:
        (folder / name).write_bytes(content)
        return name

    return write


def done(make: Callable[[Path], Any]) -> Make:
    """A function that spoils by itself."""

    def write(folder: Path) -> str | None:
        result = make(folder)
        return result if isinstance(result, str) else None

    return write


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG of such a size, and nothing after it."""
    import zlib

    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"\0" * 100)
    parts = [struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (chunk, idat)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def link(top: Path, name: str, to: str) -> None:
    """A symbolic link."""
    os.symlink(to, images(top) / name)


def replaced(top: Path, name: str, make: Callable[[list[str]], list[str]]) -> None:
    """One recording with other lines."""
    path = recordings(top) / name
    path.write_text("\n".join(make(path.read_text().splitlines())) + "\n")


def ts(folder: Path, head: str = "@timeStamps false\n@classLabel true a b\n@data\n", body: str | None = None) -> str:
    """A `.ts` file."""
    rng = np.random.default_rng(0)
    lines = "".join(f"{','.join(f'{v:.3f}' for v in rng.normal(n % 2, 1, 20))}:{'ab'[n % 2]}\n" for n in range(20))
    (folder / "moves.ts").write_text(head + (lines if body is None else body))
    return "moves.ts"


def npz(folder: Path, **arrays: Any) -> str:
    """An archive."""
    np.savez(folder / "data.npz", **arrays)
    return "data.npz"
