"""What compression costs and gains: pruning, integers, distillation, inherited weights, each proven on what is shipped.

    python benchmarks/compression.py [--quick] [--data FOLDER] [--only SECTION,...]

`--data` names a folder with `mnist_12k2k.npz`, `fsdd_8k.npz` (spoken digits) and `har_phone.npz` (phone sensors); what
needs one of them is null without it. `--quick` measures less of everything, within 15 minutes on two cores.
Prints the tables of each section as it ends, then one line of JSON; keys of sections that did not run are null.
"""

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.compression_sections.section import KEYS, SECTIONS, Options, Section


def main() -> None:
    """Run the sections, print their tables, then the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with the three real data sets")
    parser.add_argument("--only", help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="fewer networks, epochs and seeds")
    given = parser.parse_args()
    chosen = given.only.split(",") if given.only else list(SECTIONS)
    if unknown := [name for name in chosen if name not in SECTIONS]:
        parser.error(f"--only {unknown[0]}: give one or more of {','.join(SECTIONS)}")
    from edgevolve.training.session import configure_tensorflow

    configure_tensorflow(1)
    console = Console()
    figures: dict[str, float | bool | None] = dict.fromkeys(KEYS)
    for name in chosen:
        begun = time.monotonic()
        module: Section = import_module(f"benchmarks.compression_sections.{SECTIONS[name]}")
        found = module.measure(Options(given.quick, given.data))
        for table in found.tables:
            console.print(table)
        for line in found.notes:
            console.print(line, highlight=False)
        console.print(f"{name}: {time.monotonic() - begun:.0f} s\n", highlight=False)
        figures |= found.figures
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
