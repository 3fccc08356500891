"""Front ends in C beside Python, and what they take: features, RAM, stack and flash, compiled and measured.

Run from the repository root with a folder that holds `fsdd_8k.npz` (spoken digits, int16 at 8 kHz) and `har_phone.npz`
(windows of phone sensors): `python benchmarks/front_ends.py --data FOLDER`. Each front end runs on 200 recordings.
"8 bits" is the largest difference of C and Python in steps of the model's int8 input. RAM, stack and code are those
of `arm-none-eabi-gcc -Os -mcpu=cortex-m4` where it is installed, else of the host's `cc -Os`. The micro front end is
compared with the wheel `pymicro-features` where it is installed. The last line is one JSON object.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgevolve.data import Fittable, Mel, Micro, Resize, Spectrum, Standardise
from edgevolve.data.cost import cost_of, table_bytes
from edgevolve.deployment.c_front_end import C_TYPES, steps_from_python
from edgevolve.quantisation.litert import Quantisation

EXAMPLES = 200
_ARM = ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")


def sounds(folder: Path) -> dict[int, NDArray[np.int16]]:
    """Clips of a second by their rate."""
    given = np.load(folder / "fsdd_8k.npz")["x"]
    at_8k = given[np.random.default_rng(0).permutation(len(given))[:EXAMPLES]]
    doubled = np.round(resample_poly(at_8k.astype(np.float64), 2, 1, axis=1))
    return {8_000: at_8k, 16_000: np.clip(doubled, -32_768, 32_767).astype(np.int16)}


def windows(folder: Path) -> NDArray[np.float32]:
    """Windows of 64 steps and six channels, channels last."""
    given = np.load(folder / "har_phone.npz")["x"]
    chosen = given[np.random.default_rng(0).permutation(len(given))[:EXAMPLES]]
    return np.ascontiguousarray(np.moveaxis(chosen.astype(np.float32), 1, -1)[:, :, np.newaxis])


def frames(size: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Real pixels: the two photographs that scikit-learn brings, in overlapping crops."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    rng = np.random.default_rng(0)
    corners = [(rng.integers(2), rng.integers(427 - size[0]), rng.integers(640 - size[1])) for _ in range(EXAMPLES)]
    crops = np.stack([photos[i][y : y + size[0], x : x + size[1]] for i, y, x in corners])
    pixels: NDArray[np.uint8] = crops[..., : size[2]]
    return pixels


def differing_codes(micro: Micro, clips: NDArray[np.int16]) -> int | None:
    """Codes of `Micro` that are not the wheel's; None without the wheel, which has one setting."""
    try:
        from pymicro_features import MicroFrontend
    except ImportError:
        return None
    wrong = 0
    for clip, codes in zip(clips, micro.codes(clips), strict=True):
        frontend, sound, rows = MicroFrontend(), clip.astype("<i2").tobytes(), []
        while len(sound) >= 320:
            given = frontend.process_samples(sound[:320])
            sound = sound[2 * given.samples_read :]
            rows += [given.features] if given.features else []
        wrong += int((np.round(np.array(rows) / 0.0390625) != codes).sum())
    return wrong


def compiled(front_end: Fittable) -> dict[str, Any]:
    """Bytes of RAM, of tables, of code, and of the deepest stack, as the compiler says them."""
    arm = shutil.which(_ARM[0])
    compiler, size = (_ARM, "arm-none-eabi-size") if arm else (("cc",), "size")
    raw = C_TYPES[front_end.raw_type]
    use = f'#include "front_end.h"\nvoid run(const {raw}* raw, signed char* out) {{ front_end(raw, 0.1f, 0, out); }}\n'
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "front_end.h").write_text(front_end.c_source())
        (folder / "use.c").write_text(use)
        options = ("-std=c99", "-Os", "-Wall", "-Wextra", "-Werror", "-fstack-usage", "-c", "use.c")
        subprocess.run([*compiler, *options], cwd=folder, check=True)
        said = subprocess.run([size, "-A", "use.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
        stack = sum(int(line.split("\t")[1]) for line in (folder / "use.su").read_text().splitlines())
    sections = {line.split()[0]: int(line.split()[1]) for line in said.splitlines() if line.startswith(".")}

    def total(pattern: str) -> int:
        return sum(bytes_ for name, bytes_ in sections.items() if re.match(pattern, name))

    return {"ram": total(r"\.bss|\.data"), "tables": total(r"\.rodata"), "code": total(r"\.text"), "stack": stack}


def measured(front_end: Fittable, raw: NDArray[Any]) -> dict[str, Any]:
    """What is printed of one."""
    fitted = front_end.fitted(raw)
    features = fitted.apply(raw)
    scale = float(features.max() - features.min()) / 255
    steps = steps_from_python(fitted, raw, Quantisation(scale, round(-128 - float(features.min()) / scale)))
    cost = cost_of(fitted)
    figures = {"steps": steps, **compiled(fitted), "counted_ram": cost.work_bytes, "counted_flash": cost.flash_bytes}
    figures["counted_tables"] = table_bytes(fitted.c_source())
    figures["operations"] = cost.float_operations + cost.integer_operations
    return figures


def main() -> None:
    """Print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with fsdd_8k.npz and har_phone.npz")
    folder = parser.parse_args().data
    clips, motion = sounds(folder), windows(folder)
    frame = (96, 96, 3)
    cases: dict[str, tuple[Fittable, NDArray[Any]]] = {
        "log mel 8 kHz": (Mel(8_000, 8_000), clips[8_000]),
        "mfcc 16 kHz (MLPerf)": (Mel(16_000, 16_000, coefficients=10), clips[16_000]),
        "micro 16 kHz": (Micro(16_000, 16_000, stride_ms=10), clips[16_000]),
        "micro 8 kHz": (Micro(8_000, 8_000, bands=20, high_hz=3_600), clips[8_000]),
        "spectrum": (Spectrum(64, 6), motion),
        "spectrum in bands": (Spectrum(64, 6, window=32, bands=8), motion),
        "standardised windows": (Standardise(motion.shape[1:]), motion),
        "resize": (Resize(frame, (48, 48)), frames(frame)),
        "resize to grey": (Resize(frame, (40, 40), grey=True), frames(frame)),
    }
    results = {name: measured(*case) for name, case in cases.items()}
    print(
        f"{'front end':22}{'of 8 bits':>10}{'RAM':>7}{'counted':>9}{'tables':>8}{'counted':>9}{'code':>7}{'stack':>7}"
    )
    for name, one in results.items():
        shown = (one[key] for key in ("steps", "ram", "counted_ram", "tables", "counted_tables", "code", "stack"))
        print(f"{name:22}" + "".join(f"{value!s:>9}" for value in shown))
    wrong = differing_codes(cases["micro 16 kHz"][0], clips[16_000])  # type: ignore[arg-type]
    if wrong is not None:
        print(f"micro front end: {wrong} of {EXAMPLES * 98 * 40} codes differ from pymicro-features'")
    print(json.dumps({"examples": EXAMPLES, "front_ends": results, "micro_codes_that_differ": wrong}))


if __name__ == "__main__":
    main()
