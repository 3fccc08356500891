"""Make the predictor of the Edge TPU v6 that the package ships; it learns from simulated measurements alone.

    python benchmarks/make_v6_predictor.py [--to FILE]

Run it again whenever the simulator, its networks, the sheets of v5e and v6 or the workload's columns change; a test
notices. The same command makes the same file.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from predictor_sections.calibration import Calibration, calibration

from predictors import EdgeTPUv6Predictor
from predictors.learned.edge_tpu_v6 import FOLDER

EACH = 80
SEED = 0
MADE_BY = f"benchmarks/make_v6_predictor.py: {EACH} networks of each family, seed {SEED}, labels simulated"


def fitted(measured: Calibration, seed: int) -> EdgeTPUv6Predictor:
    """Learn from noisy labels of both generations."""
    return EdgeTPUv6Predictor.fit(
        measured.graphs, measured.measured("v5e", seed), measured.measured("v6", seed), measured.families
    )


def main() -> None:
    """Simulate, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=FOLDER / "v5e_to_v6_model.json")
    arguments = parser.parse_args()
    predictor = fitted(calibration(EACH, SEED), SEED)
    arguments.to.parent.mkdir(exist_ok=True)
    predictor.save(arguments.to, MADE_BY)
    print(f"{arguments.to}: {arguments.to.stat().st_size} bytes; {MADE_BY}")


if __name__ == "__main__":
    main()
