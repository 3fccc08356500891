"""What front ends are said to take is what the compiled code takes."""

import shutil
import subprocess

import pytest

from edgevolve.data import FRONT_ENDS, Mel, Micro, Pixels, Resize, Samples, Spectrum, Standardise, Unchanged
from edgevolve.data.cost import cost_of, table_bytes
from edgevolve.deployment.c_front_end import C_TYPES

KINDS = [
    Mel(8_000, 8_000),
    Mel(16_000, 16_000, coefficients=10, mean=(0.5,) * 10, deviation=(2.0,) * 10),
    Mel(4_000, 500, window_ms=1, stride_ms=1, bands=1, high_hz=2_000),
    Micro(16_000, 16_000),
    Micro(8_000, 4_000, window_ms=20, bands=9, high_hz=3_000, mean=(1.0,) * 9, deviation=(3.0,) * 9),
    Spectrum(64, 6),
    Spectrum(50, 2, window=20, bands=5, mean=(0.5,) * 10, deviation=(2.0,) * 10),
    Resize((20, 30, 3), (10, 12), grey=True),
    Standardise((20, 1, 2), (1.0, 2.0), (3.0, 4.0)),
    Pixels((8, 8, 1)),
    Samples((100, 1, 1)),
    Unchanged((100, 1, 1)),
]
needs_compiler = pytest.mark.skipif(not (shutil.which("cc") and shutil.which("size")), reason="no C compiler, binutils")


def sections(front_end, folder):
    """Bytes of each section of the compiled front end."""
    (folder / "front_end.h").write_text(front_end.c_source())
    raw = C_TYPES[front_end.raw_type]
    use = f'#include "front_end.h"\nvoid run(const {raw}* raw, signed char* out) {{ front_end(raw, 0.1f, 0, out); }}\n'
    (folder / "use.c").write_text(use)
    subprocess.run(["cc", "-std=c99", "-Os", "-c", "use.c"], cwd=folder, check=True)
    said = subprocess.run(["size", "-A", "use.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
    return [(line.split()[0], int(line.split()[1])) for line in said.splitlines() if line.startswith(".")]


@needs_compiler
@pytest.mark.parametrize("front_end", KINDS, ids=lambda one: f"{one.name} {one.shape}")
def test_ram_and_tables_counted_are_those_of_the_compiled_code(front_end, tmp_path):
    sizes = sections(front_end, tmp_path)

    def total(name):
        return sum(size for section, size in sizes if section.startswith(name))

    work = front_end.work_bytes
    assert work <= total(".bss") <= work + 64 * (work > 0)  # aligned to 32 bytes
    assert total(".data") == 0
    tables = table_bytes(front_end.c_source())
    literals = 128  # single constants, which the host's compiler keeps beside the tables
    assert tables - literals <= total(".rodata") <= tables + literals + 32 * 8


def test_what_a_front_end_will_hold_once_it_is_fitted_is_counted_before():
    assert cost_of(Mel(8_000, 8_000)) == cost_of(Mel(8_000, 8_000, mean=(0.5,) * 40, deviation=(2.0,) * 40))
    assert cost_of(Micro(16_000, 16_000)) == cost_of(Micro(16_000, 16_000, mean=(0.5,) * 40, deviation=(2.0,) * 40))
    assert cost_of(Spectrum(8, 2)) == cost_of(Spectrum(8, 2, mean=(0.5,) * 8, deviation=(2.0,) * 8))
    assert cost_of(Standardise((9, 2))) == cost_of(Standardise((9, 2), (1.0, 2.0), (3.0, 4.0)))


def test_every_front_end_of_the_package_is_among_those_that_are_compiled_here():
    assert {type(one) for one in KINDS} == set(FRONT_ENDS.values())
