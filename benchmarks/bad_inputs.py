"""What becomes of bad inputs: `init` and `check` on more than a hundred of them.

    python benchmarks/bad_inputs.py [--all]

Each is refused in one line; or runs, where it is odd only; or is left out and listed, with --skip-unreadable. Anything
else counts as a fault. Prints a tally, with --all a line each, then one line of JSON.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

from own_data_sections.bad_cases import CASES
from own_data_sections.bad_outcome import outcome


def main() -> None:
    """Try every case and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as top:
        for number, case in enumerate(CASES):
            folder = Path(top) / f"{number}"
            folder.mkdir()
            end = outcome(case, folder)
            tally[end.kind] += 1
            if options.all or end.kind == "fault":
                print(f"{case.name}: {end.kind}: {end.line}".replace(top, "")[:260])
    for kind, count in tally.most_common():
        print(f"{count:4} {kind}")
    print(json.dumps({"bad_inputs": len(CASES), **{f"bad_inputs_{kind}": count for kind, count in tally.items()}}))


if __name__ == "__main__":
    main()
