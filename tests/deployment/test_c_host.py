"""The host program: files are answered as Python answers what was read, and a bad one is refused in a line.

The runtime is pretended: it knows the outputs that TensorFlow Lite Micro gave for each example.
"""

import platform
import subprocess
import wave

import numpy as np
import pytest

pytest.importorskip("tflite_micro")

from tests.deployment.firmware import compiled, knowing_tree
from tests.deployment.test_c_bundle import COMPILER

pytestmark = pytest.mark.skipif(
    not COMPILER or platform.system() != "Linux", reason="needs a C++ compiler; the pretended tree is one of Linux"
)


@pytest.fixture(scope="module")
def programs(firmware_bundles, tmp_path_factory):
    """Bundle and compiled program by the name of the bundle."""
    folder = tmp_path_factory.mktemp("host")
    built = {}
    for bundle in firmware_bundles.values():
        (folder / bundle.name).mkdir()
        tree = knowing_tree(folder / bundle.name / "tree", bundle)
        sources = [*sorted((bundle.folder / "src").glob("*.cpp")), bundle.folder / "host" / "main.cpp"]
        program = compiled(tree, sources, folder / bundle.name / "program", f"-I{bundle.folder / 'src'}")
        built[bundle.name] = (bundle, program)
    return built


def run(program, *files):
    return subprocess.run([program, *files], capture_output=True, text=True)


def write_wav(path, samples, rate=4000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(samples, "<i2").tobytes())
    return path


def test_golden_examples_agree_where_no_file_is_given(programs):
    for bundle, program in programs.values():
        done = run(program)
        assert (done.returncode, done.stdout[:31]) == (0, "8 of 8 golden examples agree; 1"), bundle.name


def test_sound_is_classified_as_python_does_with_the_probability_of_the_class(programs, tmp_path):
    bundle, program = programs["birds 7"]
    files = [write_wav(tmp_path / f"{i}.wav", row) for i, row in enumerate(bundle.raw)]
    lines = run(program, *files).stdout.splitlines()
    assert len(set(bundle.answers[:, 0])) > 1
    for path, line, (label, *scores) in zip(files, lines, bundle.answers, strict=True):
        answered, score = line.removeprefix(f"{path}: ").rsplit(" ", 1)
        assert answered == bundle.target.names[int(label)]
        assert float(score) == pytest.approx(scores[int(label)], abs=1e-5)


def test_a_shorter_sound_stands_in_zeros_and_of_a_longer_one_the_middle_is_taken(programs, tmp_path):
    bundle, program = programs["birds 7"]
    raw = bundle.raw[3].ravel()
    long = np.concatenate([np.full(100, 3000), raw, np.full(101, -3000)])
    whole = run(program, write_wav(tmp_path / "x.wav", raw)).stdout
    assert run(program, write_wav(tmp_path / "x.wav", long)).stdout == whole
    padded = np.zeros(600, np.int16)
    padded[25:575] = raw[25:575]
    whole = run(program, write_wav(tmp_path / "x.wav", padded)).stdout
    assert run(program, write_wav(tmp_path / "x.wav", raw[25:575])).stdout == whole


def test_values_of_sensors_are_those_of_python_with_header_time_and_several_examples(programs, tmp_path):
    bundle, program = programs["pump"]
    for number, (separator, header, time) in enumerate([(",", True, True), (";", True, False), ("\t", False, False)]):
        lines = ["time,x,y,z".replace(",", separator) if time else separator.join("xyz")] if header else []
        for i, row in enumerate(bundle.raw[:2].reshape(-1, 3)):
            lines.append(separator.join([*([str(i)] if time else []), *map(repr, map(float, row))]))
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join(lines))
        said = run(program, path).stdout.splitlines()
        for line, part, (speed, tilt) in zip(said, (1, 2), bundle.answers[:2], strict=True):
            words = line.removeprefix(f"{path}, part {part}: ").split()
            assert words[0] == "speed" and words[2:4] == ["m/s", "tilt"]
            assert [float(words[1]), float(words[4])] == pytest.approx([speed, tilt], rel=1e-4)


def test_images_in_colour_are_scored_as_in_python_whatever_holds_their_pixels(programs, tmp_path):
    image = pytest.importorskip("PIL.Image")
    bundle, program = programs["answer"]
    for i, pixels in enumerate(bundle.raw[:4]):
        path = tmp_path / f"{i}.{('ppm', 'bmp')[i % 2]}"
        image.fromarray(pixels).save(path)
        assert float(run(program, path).stdout.removeprefix(f"{path}: ")) == pytest.approx(
            bundle.answers[i, 0], rel=1e-3
        )


def test_raw_values_of_any_type_are_read_as_they_lie_in_memory(programs, tmp_path):
    for bundle, program in programs.values():
        path = tmp_path / "two.raw"
        path.write_bytes(bundle.raw[:2].tobytes())
        assert len(run(program, path).stdout.splitlines()) == 2
        path.write_bytes(bundle.raw[:2].tobytes()[:-1])
        assert run(program, path).returncode == 2


def test_bad_files_are_refused_in_one_line_that_names_them(programs, tmp_path):
    image = pytest.importorskip("PIL.Image")
    sound, sensors, pixels = (programs[name][1] for name in ("birds 7", "pump", "answer"))
    good = np.zeros(600, np.int16)
    texts = {
        "short.csv": ("1,2,3\n" * 6, "has 6 rows, an example 7"),
        "wide.csv": ("1,2,3,4\n" * 7, "line 1 has 4 numbers, an example has 3 a line"),
        "word.csv": ("1,2,3\n" * 3 + "1,x,3\n", "line 4: holds a value that is not a finite number"),
        "nan.csv": ("x,y,z\n" + "1,nan,3\n" * 7, "line 2: holds a value that is not a finite number"),
        "empty.csv": ("", "cannot be read, or is empty"),
    }
    cases = [(sensors, tmp_path / name, why) for name, (_, why) in texts.items()]
    for name, (text, _) in texts.items():
        (tmp_path / name).write_text(text)
    cases += [
        (sound, write_wav(tmp_path / "rate.wav", good, rate=8000), "is at 8000 Hz, the model hears 4000"),
        (sound, write_wav(tmp_path / "two.wav", good, channels=2), "must be PCM of 16 bits and one channel"),
        (sound, tmp_path / "gone.wav", "cannot be read, or is empty"),
        (sound, tmp_path / "short.wav", "is no WAV"),
        (sound, tmp_path / "no_data.wav", "holds no sound"),
        (pixels, tmp_path / "large.ppm", "has 9 x 5 pixels, the model sees 4 x 5"),
        (pixels, tmp_path / "grey.pgm", "is grey, the model sees colour"),
        (pixels, tmp_path / "cut.ppm", "is cut off"),
        (pixels, tmp_path / "real.png", "is no PGM, PPM or BMP; PNG and JPEG are not decoded here"),
    ]
    (tmp_path / "short.wav").write_bytes(b"RIFF")
    (tmp_path / "no_data.wav").write_bytes((tmp_path / "rate.wav").read_bytes()[:36])
    image.fromarray(np.zeros((9, 5, 3), np.uint8)).save(tmp_path / "large.ppm")
    image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "grey.pgm")
    image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "real.png")
    (tmp_path / "cut.ppm").write_bytes((tmp_path / "large.ppm").read_bytes().replace(b"5 9", b"5 4")[:40])
    for program, path, why in cases:
        done = run(program, path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{path}: {why}\n")
