"""Small data of every kind, as people have them."""

import numpy as np
from PIL import Image
from scipy.io import wavfile


def write_images(top, classes=("cat", "dog"), number=12, side=12, colour=False):
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (top / name).mkdir(parents=True, exist_ok=True)
        for n in range(number):
            pixels = rng.integers(80 * label, 80 * label + 60, (side, side, 3) if colour else (side, side), np.uint8)
            Image.fromarray(pixels).save(top / name / f"{n}.png")
    return top


def write_sound(top, speakers=("ann", "bob", "cyd", "dan"), number=3, rate=8000, seconds=0.5, channels=1):
    rng = np.random.default_rng(0)
    time = np.arange(int(rate * seconds)) / rate
    for label, name in enumerate(("low", "high")):
        (top / name).mkdir(parents=True, exist_ok=True)
        for speaker in speakers:
            for n in range(number):
                tone = 8000 * np.sin(2 * np.pi * 300 * (1 + 3 * label) * time) + rng.normal(0, 200, len(time))
                samples = np.repeat(tone.astype(np.int16)[:, np.newaxis], channels, axis=1).squeeze()
                wavfile.write(top / name / f"{name}_{speaker}_{n}.wav", rate, samples)
    return top


def write_recordings(top, subjects=6, steps=64, rate=100, header="time_s,x,y,z"):
    rng = np.random.default_rng(0)
    for label, name in enumerate(("rest", "shake")):
        (top / name).mkdir(parents=True, exist_ok=True)
        for subject in range(subjects):
            lines = [header]
            for step in range(steps):
                x, y, z = rng.normal(0, 1 + 4 * label, 3)
                lines.append(f"{step / rate:.3f},{x:.3f},{y:.3f},{z:.3f}")
            (top / name / f"subject{subject:02}_1.csv").write_text("\n".join(lines) + "\n")
    return top


def write_table(path, rows=60, label="grade", sign=",", decimal="."):
    rng = np.random.default_rng(0)
    lines = [sign.join(("id", "width", "height", label))]
    for row in range(rows):
        numbers = [f"{value:.3f}".replace(".", decimal) for value in rng.normal(row % 2, 0.3, 2)]
        lines.append(sign.join((f"n{row:04}", *numbers, ("good", "bad")[row % 2])))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_ts(top, steps=40):
    rng = np.random.default_rng(0)
    for part in ("TRAIN", "TEST"):
        lines = ["@problemName Moves", "@timeStamps false", "@classLabel true walk run", "@data"]
        for n in range(16):
            channels = (",".join(f"{v:.3f}" for v in rng.normal(n % 2, 1, steps)) for _ in range(3))
            lines.append(":".join((*channels, ("walk", "run")[n % 2])))
        top.mkdir(parents=True, exist_ok=True)
        (top / f"Moves_{part}.ts").write_text("\n".join(lines) + "\n")
    return top
