"""The cases, by what people wanted to give."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from own_data_sections.bad_inputs import (
    Case,
    a_file,
    done,
    good,
    images,
    link,
    npz,
    png_header,
    recordings,
    replaced,
    rows,
    sound,
    spoilt,
    table,
    ts,
)

TORN = b"\x89PNG\r\n\x1a\n\0\0\0"
_RNG = np.random.default_rng(0)


def _emptied(top: Path, name: str) -> None:
    for file in (images(top, ("cat", "dog", "owl")) / name).iterdir():
        file.unlink()


def _few(top: Path, number: int) -> None:
    for file in sorted((images(top, ("cat", "dog")) / "cat").iterdir())[number:]:
        file.unlink()


def _other(top: Path, mode: str, suffix: str) -> None:
    Image.new(mode, (12, 12)).save(images(top) / "cat" / f"other.{suffix}")


def _flat(top: Path) -> None:
    for number in range(24):
        Image.fromarray(_RNG.integers(0, 255, (12, 12), np.uint8)).save(top / f"IMG_{number:04}.png")


def _bytes_name(top: Path, name: bytes) -> None:
    images(top)
    target = os.fsencode(top) + b"/" + name
    os.makedirs(os.path.dirname(target), exist_ok=True)
    for number in range(12):
        Image.fromarray(_RNG.integers(0, 255, (12, 12), np.uint8)).save(
            target.decode("utf-8", "surrogateescape") % number
        )


def _pipe(top: Path) -> None:
    os.mkfifo(images(top) / "cat" / "pipe.png")


def _same(top: Path) -> None:
    images(top)
    for file in top.glob("*/*.png"):
        Image.new("L", (12, 12), 7).save(file)


def _sizes(top: Path) -> None:
    images(top)
    images(top / "more", side=20)
    for number, file in enumerate(sorted((top / "more").glob("*/*.png"))):
        file.rename(top / file.parent.name / f"b{number}.png")
    for folder in ("cat", "dog"):
        (top / "more" / folder).rmdir()
    (top / "more").rmdir()


def _mixed_rates(top: Path) -> None:
    sound(top, rate=16_000)
    for number, file in enumerate(sorted(sound(top / "x").glob("*/*.wav"))):
        file.rename(top / file.parent.name / f"slow{number}.wav")
    for folder in ("hiss", "hum"):
        (top / "x" / folder).rmdir()
    (top / "x").rmdir()


def _slower(lines: list[str]) -> list[str]:
    return [lines[0], *(f"{n / 20:.3f},{line.split(',', 1)[1]}" for n, line in enumerate(lines[1:]))]


def _nan_sound(top: Path) -> None:
    from scipy.io import wavfile

    wavfile.write(sound(top) / "hum" / "nan.wav", 8000, np.full(4000, np.nan, np.float32))


IMAGES = (
    Case("an empty folder", done(lambda top: None)),
    Case("hidden files alone", a_file(".DS_Store", b"x")),
    Case("a folder of empty folders", done(lambda top: [(top / name).mkdir() for name in "ab"] and None)),
    Case("no such folder", lambda top: "photo"),
    Case("one class", good(images, classes=("cat",))),
    Case("one folder too many above the classes", lambda top: images(top / "all" / "photos") and None),
    Case("files without labels", done(_flat)),
    Case("a single image", a_file("one.png", TORN)),
    Case("an image of 0 bytes", spoilt(images, "cat/new.png", b"")),
    Case("an image that is cut off", spoilt(images, "cat/new.png", TORN)),
    Case("text named .png", spoilt(images, "cat/new.png", b"hello")),
    Case("a GIF named .png", spoilt(images, "cat/new.png", b"GIF89a" + bytes(50))),
    Case("every image broken", done(lambda top: [f.write_bytes(TORN) for f in images(top).glob("*/*")] and None)),
    Case(
        "a class of broken images", done(lambda top: [f.write_bytes(b"") for f in images(top).glob("cat/*")] and None)
    ),
    Case("an image of a billion pixels", spoilt(images, "cat/new.png", png_header(40_000, 25_000))),
    Case("an image of 2^31 pixels a side", spoilt(images, "cat/new.png", png_header(2**31 - 1, 2**31 - 1))),
    Case("an image of 0 pixels", spoilt(images, "cat/new.png", png_header(0, 10))),
    Case("images of one pixel", good(images, side=1)),
    Case("images of two sizes", done(_sizes)),
    Case("a colour image among grey ones", done(lambda top: _other(top, "RGB", "png"))),
    Case("a CMYK JPEG", done(lambda top: _other(top, "CMYK", "jpg"))),
    Case("an image of 16 bits", done(lambda top: _other(top, "I;16", "png"))),
    Case("an image of one bit", done(lambda top: _other(top, "1", "png"))),
    Case("a TIFF beside PNG files", spoilt(images, "cat/new.tif", b"II*\0")),
    Case(
        "HEIC alone",
        done(lambda top: [(top / c).mkdir() or (top / c / "a.heic").write_bytes(b"x") for c in "ab"] and None),
    ),
    Case("an empty class", done(lambda top: _emptied(top, "owl"))),
    Case("a class of one image", done(lambda top: _few(top, 1))),
    Case("a class of two images", done(lambda top: _few(top, 2))),
    Case("a class whose name is not UTF-8", done(lambda top: _bytes_name(top, b"caf\xe9/%d.png"))),
    Case("files whose names are not UTF-8", done(lambda top: _bytes_name(top, b"cat/caf\xe9%d.png"))),
    Case("a name with a line break", spoilt(images, "cat/a\nb.png", TORN)),
    Case("a link to the folder above", done(lambda top: link(top, "cat/again", ".."))),
    Case("a link to itself", done(lambda top: link(top, "cat/self.png", "self.png"))),
    Case("a link to nothing", done(lambda top: link(top, "cat/gone.png", "nowhere.png"))),
    Case("a pipe named .png", done(_pipe)),
    Case("a folder named .png", done(lambda top: (images(top) / "cat" / "x.png").mkdir())),
    Case("all images the same", done(_same)),
    Case("a folder test without train", done(lambda top: images(top / "test") and None)),
    Case(
        "train without a class of test",
        lambda top: (images(top / "train"), images(top / "test", ("cow", "dog")))[0] and None,
    ),
    Case("a list that names no file", spoilt(images, "testing_list.txt", b"owl/1.png\n")),
    Case("a list that is not UTF-8", spoilt(images, "testing_list.txt", b"\xff\xfe\0")),
    Case("images and sound", lambda top: (images(top), sound(top / "sound"))[0] and None),
    Case("a ZIP", a_file("photos.zip", b"PK\3\4")),
    Case("a video", a_file("film.mp4", b"\0\0\0 ftyp")),
)

SOUND = (
    Case("a WAV of 0 bytes", spoilt(sound, "hum/new.wav", b"")),
    Case("text named .wav", spoilt(sound, "hum/new.wav", b"hello")),
    Case("MP3 named .wav", spoilt(sound, "hum/new.wav", b"ID3\3" + bytes(200))),
    Case(
        "a WAV of a header alone",
        spoilt(
            sound, "hum/new.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0\x80>\0\0\2\0\x10\0data\0\0\0\0"
        ),
    ),
    Case(
        "a WAV that is cut off",
        spoilt(
            sound,
            "hum/new.wav",
            b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0\x80>\0\0\2\0\x10\0data\0\x10\0\0abcd",
        ),
    ),
    Case(
        "an A-law WAV",
        spoilt(
            sound,
            "hum/new.wav",
            b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\6\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\x08\0\0\0abcdefgh",
        ),
    ),
    Case(
        "MP3 files",
        done(lambda top: [(top / c).mkdir() or (top / c / "a.mp3").write_bytes(b"ID3") for c in "ab"] and None),
    ),
    Case("stereo", good(sound, channels=2)),
    Case("two rates", done(_mixed_rates)),
    Case("a rate of 100 Hz", good(sound, rate=100)),
    Case("a rate of a megahertz", good(sound, rate=1_000_000)),
    Case("a WAV of NaN", done(_nan_sound)),
    Case("8 bits", good(sound, dtype=np.uint8)),
    Case("32 bits", good(sound, dtype=np.int32)),
    Case("clips of 20 samples", good(sound, samples=20)),
    Case("clips of a minute", good(sound, samples=480_000, number=3)),
    Case(
        "silence alone",
        done(lambda top: [f.write_bytes(f.read_bytes()[:44] + bytes(8000)) for f in sound(top).glob("*/*")] and None),
    ),
    Case(
        "noise that is too short",
        done(
            lambda top: (
                (sound(top) / "hum" / "0.wav").rename(
                    (top / "_background_noise_").mkdir() or top / "_background_noise_" / "a.wav"
                )
                and None
            )
        ),
    ),
    Case(
        "one class of sound", done(lambda top: [f.unlink() for f in sound(top).glob("hum/*")] and (top / "hum").rmdir())
    ),
)

RECORDINGS = (
    Case("a recording of 0 bytes", spoilt(recordings, "run/new.csv", b"")),
    Case("a recording of a header alone", spoilt(recordings, "run/new.csv", b"time_s,x,y\n")),
    Case(
        "NaN in a recording",
        done(lambda top: replaced(top, "run/1.csv", lambda lines: [*lines[:9], "0.08,nan,1", *lines[10:]])),
    ),
    Case(
        "a word in a recording",
        done(lambda top: replaced(top, "run/1.csv", lambda lines: [*lines[:9], "0.08,oops,1", *lines[10:]])),
    ),
    Case(
        "infinity in a recording",
        done(lambda top: replaced(top, "run/1.csv", lambda lines: [*lines[:9], "0.08,inf,1", *lines[10:]])),
    ),
    Case(
        "a column more in one file",
        done(lambda top: replaced(top, "run/1.csv", lambda lines: [line + ",1" for line in lines])),
    ),
    Case(
        "a column less in one file",
        done(lambda top: replaced(top, "run/1.csv", lambda lines: [line.rpartition(",")[0] for line in lines])),
    ),
    Case("another rate in one file", done(lambda top: replaced(top, "run/1.csv", _slower))),
    Case(
        "time that goes back",
        done(lambda top: replaced(top, "run/1.csv", lambda lines: [*lines[:20], lines[5], *lines[20:]])),
    ),
    Case("a gap in time", done(lambda top: replaced(top, "run/1.csv", lambda lines: [*lines[:20], *lines[50:]]))),
    Case(
        "two columns of one name",
        done(lambda top: replaced(top, "run/1.csv", lambda lines: ["time_s,x,x", *lines[1:]])),
    ),
    Case("semicolons and decimal commas in recordings", good(recordings, sign=";", decimal=",")),
    Case("UTF-16 recordings", spoilt(recordings, "run/new.csv", "time_s,x,y\n0,1,2\n".encode("utf-16"))),
    Case("bytes named .csv", spoilt(recordings, "run/new.csv", bytes(range(256)))),
    Case("recordings of 3 steps", good(recordings, steps=3)),
    Case("a recording that is too short", done(lambda top: replaced(top, "run/1.csv", lambda lines: lines[:5]))),
    Case(
        "a pickle named .npy",
        spoilt(
            recordings,
            "run/new.npy",
            b"\x93NUMPY\1\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(128) + b"x",
        ),
    ),
    Case("a .ts without data", done(lambda top: ts(top, head="@timeStamps false\n@classLabel true a b\n"))),
    Case("a .ts with times", done(lambda top: ts(top, head="@timeStamps true\n@classLabel true a b\n@data\n"))),
    Case("a .ts without classes", done(lambda top: ts(top, head="@timeStamps false\n@classLabel false\n@data\n"))),
    Case("a .ts with missing values", done(lambda top: ts(top, body="1,?,3:a\n4,5,6:b\n"))),
    Case("a .ts of another class", done(lambda top: ts(top, body="1,2,3:a\n4,5,6:c\n"))),
    Case("a .ts of no line", done(lambda top: ts(top, body=""))),
    Case("an .npz of objects", done(lambda top: npz(top, x=np.array([{}] * 3), y=np.arange(3)))),
    Case("an .npz without labels", done(lambda top: npz(top, x=np.zeros((30, 20, 3))))),
    Case("an .npz of one row each", done(lambda top: npz(top, x=np.zeros((30, 20)), y=np.arange(30) % 2))),
    Case("an .npz of other names", done(lambda top: npz(top, data=np.zeros((30, 20, 3)), labels=np.arange(30) % 2))),
    Case("an .npz that is damaged", a_file("data.npz", b"PK\3\4" + bytes(30))),
    Case("an .npz of labels that are shorter", done(lambda top: npz(top, x=np.zeros((30, 20, 3)), y=np.arange(9) % 2))),
    Case("an .npz of NaN", done(lambda top: npz(top, x=np.full((30, 20, 3), np.nan), y=np.arange(30) % 2))),
    Case("a log without labels", a_file("log.csv", b"time,x\n" + b"".join(b"%d,%d\n" % (n, n) for n in range(99)))),
)

TABLES = (
    Case("a table of 0 bytes", a_file("table.csv", b"")),
    Case("a table of a header alone", table(lambda lines: lines[:1])),
    Case("a table of two rows", table(lambda lines: lines[:3])),
    Case("a table without a header", table(lambda lines: lines[1:])),
    Case("a table of one class", table(lambda lines: rows(label=lambda row: "a"))),
    Case("a table without the label", table(lambda lines: [line.rpartition(",")[0] for line in lines])),
    Case("a --label that is not there", table(lambda lines: lines), {"label": "labl"}),
    Case("rows without a label", table(lambda lines: [*lines[:5], "1,2,", *lines[5:]])),
    Case("missing values", table(lambda lines: [*lines[:5], "1,,a", *lines[5:]])),
    Case("a word among numbers", table(lambda lines: [*lines[:5], "1,oops,a", *lines[5:]])),
    Case("infinite numbers", table(lambda lines: [*lines[:5], "1,inf,a", *lines[5:]])),
    Case("labels as floats", table(lambda lines: rows(label=lambda row: f"{row % 2 + 1}.0"))),
    Case("labels that are numbers", table(lambda lines: rows(label=lambda row: f"{row * 0.37:.2f}"))),
    Case("a label for each row", table(lambda lines: rows(label=lambda row: f"case {row}"))),
    Case(
        "a class of one row", table(lambda lines: rows(label=lambda row: "b" if row == 3 else "a" if row % 2 else "c"))
    ),
    Case("two columns of one name in a table", table(lambda lines: ["x,x,label", *lines[1:]])),
    Case("a byte order mark", table(lambda lines: lines, "utf-8-sig")),
    Case("UTF-16", table(lambda lines: lines, "utf-16")),
    Case("Latin-1", table(lambda lines: rows(label=lambda row: "äb"[row % 2]), "latin-1")),
    Case("semicolons", table(lambda lines: [line.replace(",", ";") for line in lines])),
    Case(
        "semicolons and decimal commas",
        table(lambda lines: [line.replace(",", ";").replace(".", ",") for line in lines]),
    ),
    Case("tabs", table(lambda lines: [line.replace(",", "\t") for line in lines])),
    Case("rows of other lengths", table(lambda lines: [*lines[:5], "1,2,3,4,5,a", *lines[5:]])),
    Case("a quote that is not closed", table(lambda lines: [*lines[:5], '1,"2,a', *lines[5:]])),
    Case("a NUL byte", table(lambda lines: "\n".join(lines).encode() + b"\0")),
    Case(
        "a column of sentences",
        table(
            lambda lines: ["note," + lines[0], *(f"note {n % 39} of many,{line}" for n, line in enumerate(lines[1:]))]
        ),
    ),
    Case("a constant column", table(lambda lines: ["c," + lines[0], *("1," + line for line in lines[1:])])),
    Case("constant columns alone", table(lambda lines: ["x,label", *(f"1,{'ab'[n % 2]}" for n in range(40))])),
    Case("an empty column", table(lambda lines: ["e," + lines[0], *("," + line for line in lines[1:])])),
    Case("a column of the label alone", table(lambda lines: ["label", *"abababab"])),
    Case("a workbook named .csv", a_file("table.csv", b"PK\3\4" + bytes(100))),
    Case("a workbook", a_file("table.xlsx", b"PK\3\4")),
    Case("many columns", table(lambda lines: ",".join(map(str, range(150_000))))),
    Case("a name with a NUL", lambda top: "a\0b"),
    Case("a name that is too long", lambda top: "x" * 5000),
)

CASES = (*IMAGES, *SOUND, *RECORDINGS, *TABLES)
