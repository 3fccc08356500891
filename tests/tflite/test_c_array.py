"""Models as firmware keeps them, arrays of bytes in C, are read as the file that they hold."""

import numpy as np
import pytest
from typer.testing import CliRunner

import driver
from edgevolve.tflite import TfliteError, load_tflite, model_bytes
from tests.tflite.tflite_files import Builtin, TfliteFile, Type, small_network

MODEL = small_network()


def xxd(content: bytes, name: str = "model_tflite") -> str:
    """As `xxd -i` writes it."""
    rows = [", ".join(f"0x{byte:02x}" for byte in content[i : i + 12]) for i in range(0, len(content), 12)]
    lines = ",\n  ".join(rows)
    return f"unsigned char {name}[] = {{\n  {lines}\n}};\nunsigned int {name}_len = {len(content)};\n"


def as_firmware_has_it(content: bytes) -> str:
    """Aligned, in decimal, with comments within, beside other arrays."""
    numbers = ", ".join(map(str, content[:9])) + ", /* { 1, 2 } */ " + ", ".join(map(str, content[9:]))
    return (
        '#include "model.h" // "not" = { 7 }\n'
        "namespace { const int kAxes[4] = {1, 2, 3, 4}; }\n"
        "alignas(16) const unsigned char g_model[] DATA_ALIGN_ATTRIBUTE = {" + numbers + ",};\n"
        'const char* kLabels[] = {"a, {", "b"}; const int g_model_len = 1234;\n'
    )


WRITTEN = {
    "model.h": xxd(MODEL),
    "model.cc": as_firmware_has_it(MODEL),
    "model.c": xxd(MODEL).replace("0x", "0X").replace(",", "u ,"),
    "model.hpp": "const std::array<uint8_t, 9> m = {{" + ",".join(f"0{byte:o}" for byte in MODEL) + "}};",
    "model.CPP": "/* from a board */ static const uint8_t m[] {" + ",".join(map(hex, MODEL)) + "};",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_array_is_the_file_whatever_its_numbers_look_like(tmp_path, name):
    (tmp_path / name).write_text(WRITTEN[name])
    assert model_bytes(tmp_path / name) == MODEL
    assert load_tflite(tmp_path / name).size_bytes == len(MODEL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no array of bytes in it is a TensorFlow Lite file"),
        ("int model_len = 9;", "no array of bytes in it is a TensorFlow Lite file"),
        ("int kSizes[] = {" + "1, " * 40 + "2};", "no array of bytes in it is a TensorFlow Lite file"),
        (xxd(MODEL).replace("0x54", "0x154", 1), "no array of bytes in it is a TensorFlow Lite file"),
        (xxd(MODEL).replace("0x54", "kMark", 1), "no array of bytes in it is a TensorFlow Lite file"),
        ("/* " + xxd(MODEL), "no array of bytes in it is a TensorFlow Lite file"),
        (xxd(MODEL, "one") + xxd(MODEL, "two"), r"2 arrays are TensorFlow Lite files \(one, two\); keep only one"),
        (xxd(MODEL[:100]), "damaged: the file ends at byte 100"),
    ],
)
def test_what_holds_no_model_or_several_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "model.h"
    path.write_text(text)
    with pytest.raises(TfliteError, match=rf"^{path}: {message}"):
        load_tflite(path)


def test_text_that_never_ends_is_refused_and_does_not_hang(tmp_path):
    path = tmp_path / "model.h"
    for text in (
        "/*" * 300_000,
        '"' * 300_000,
        "= {" * 300_000,
        "= " * 300_000,
        "{1," * 300_000,
        "[" * 300_000,
        "m[]={1};" * 100_000,
    ):
        path.write_text(text)
        with pytest.raises(TfliteError, match="no array of bytes"):
            model_bytes(path)
    with path.open("wb") as file:
        file.truncate(2**25 + 1)
    with pytest.raises(TfliteError, match="larger than 32 MiB"):
        model_bytes(path)


def test_five_hundred_mutated_arrays_are_read_or_refused_in_one_line(tmp_path):
    rng, path, read = np.random.default_rng(3), tmp_path / "model.cc", 0
    source = as_firmware_has_it(MODEL).encode()
    for _ in range(500):
        text = bytearray(source)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(text)))
            text[at : at + int(rng.integers(3))] = rng.choice([b"{", b"}", b",", b"*/", b'"', b"9", b"\xff", b"[", b""])
        path.write_bytes(text)
        try:
            read += load_tflite(path).size_bytes > 0
        except TfliteError as refusal:
            assert len(str(refusal).splitlines()) == 1
    assert read > 20


def test_the_command_line_takes_an_array_wherever_it_takes_a_file(tmp_path):
    path, out = tmp_path / "model.h", tmp_path / "out.tflite"
    net = TfliteFile()
    x, y, z = (net.tensor(1, 256, dtype=Type.FLOAT32) for _ in range(3))
    net.operator(Builtin.RELU, [x], [y])
    net.operator(Builtin.ABS, [y], [z])
    text = xxd(content := net.content([x], [z]))
    path.write_text(text)
    run = CliRunner()
    for arguments in (["inspect", str(path)], ["optimise", str(path), "-o", str(out)], ["profile", str(path)]):
        done = run.invoke(driver.app, arguments)
        assert done.exit_code == 0, done.output
    assert load_tflite(out).size_bytes <= len(content)
    refused = run.invoke(driver.app, ["optimise", str(path), "-o", str(path)])
    assert refused.exit_code != 0
    assert path.read_text() == text
