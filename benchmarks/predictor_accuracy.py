"""How well devices are predicted: every table that the README quotes, from one command.

    python benchmarks/predictor_accuracy.py --data DIR [--only edge_tpu transfer coral vela v6 cpu cost] [--seeds 10]

DIR holds `nb201_edge_devices.csv` (937 NAS-Bench-201 cells on 18 devices) and `coral_edge_tpu_v1.csv` (published
latencies); the sections `cpu` and `cost` need neither; `cpu` measures this machine, some six minutes the first time.
Test networks are never isomorphic to training networks; figures are medians over seeds. The last line is one JSON
object.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SECTIONS = ("edge_tpu", "transfer", "vela", "coral", "v6", "cpu", "cost")


def main() -> None:
    """Print the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    for name in arguments.only:
        section = importlib.import_module(f"predictor_sections.{name}")
        start = time.perf_counter()
        figures |= section.run(arguments.data, arguments.seeds)
        print(f"section {name}: {time.perf_counter() - start:.0f} s\n", flush=True)
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
