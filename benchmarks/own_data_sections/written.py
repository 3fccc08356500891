"""Public data sets written out as their users have them: files in folders, names as they were recorded."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import wavfile


def spoken_digits(source: Path, folder: Path) -> str:
    """WAV files `digit/digit_speaker_number.wav`; nothing says that a speaker is to be held out but the names."""
    held = np.load(source / "fsdd_8k.npz")
    rate = int(held["sample_rate"])
    for samples, digit, speaker, number in zip(held["x"], held["y"], held["speaker"], held["index"], strict=True):
        path = folder / "digits" / str(digit) / f"{digit}_{held['speaker_names'][speaker]}_{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(path, rate, samples)
    return "digits"


def phone_sensors(source: Path, folder: Path) -> str:
    """A CSV a recording, with a column of time: `activity/subject07_012.csv`."""
    held = np.load(source / "har_phone.npz")
    header = ",".join(("time_s", *map(str, held["channels"])))
    number: Counter[tuple[str, int]] = Counter()
    for steps, activity, subject in zip(held["x"], held["y"], held["subject"], strict=True):
        label = str(held["class_names"][activity])
        number[label, subject] += 1
        path = folder / "phone" / label / f"subject{subject:02}_{number[label, subject]:03}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = np.column_stack([np.arange(steps.shape[1]) / int(held["rate_hz"]), steps.T.astype(float)])
        np.savetxt(path, rows, fmt="%.6g", delimiter=",", header=header, comments="")
    return "phone"


def handwritten_digits(source: Path, folder: Path) -> str:
    """PNG files below `train` and `test`."""
    held = np.load(source / "mnist_12k2k.npz")
    for part in ("train", "test"):
        for number, (pixels, digit) in enumerate(zip(held[f"x_{part}"], held[f"y_{part}"], strict=True)):
            path = folder / "mnist" / part / str(digit) / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return "mnist"


def basic_motions(source: Path, folder: Path) -> str:
    """`BasicMotions_TRAIN.ts` and `BasicMotions_TEST.ts`."""
    held = np.load(source / "ts_BasicMotions.npz")
    names = [str(name) for name in held["class_names"]]
    (folder / "motions").mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        lines = ["@problemName BasicMotions", "@timeStamps false", f"@classLabel true {' '.join(names)}", "@data"]
        for channels, label in zip(held[f"x_{part}"], held[f"y_{part}"], strict=True):
            lines.append(":".join([*(",".join(f"{v:.6g}" for v in one) for one in channels), names[label]]))
        (folder / "motions" / f"BasicMotions_{part.upper()}.ts").write_text("\n".join(lines) + "\n")
    return "motions"


def breast_cancer(source: Path, folder: Path) -> str:
    """scikit-learn's table as a CSV, the diagnosis in words in its last column."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.assign(diagnosis=[str(bunch.target_names[label]) for label in bunch.target])
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "cancer.csv", index=False)
    return "cancer.csv"
