"""Gradient search on real data: cells of phone sensors by DARTS, mobile networks of given latencies by ProxylessNAS.

    python benchmarks/gradient_search.py --data FOLDER [--quick] [--only darts|proxyless|sizes]

FOLDER holds `har_phone.npz` (accelerometer and gyroscope, nobody in two splits) and `mnist_12k2k.npz`. All errors are
of the validation split; no test split is looked at. `--quick` takes fewer seeds, epochs and examples.

`skip_share`: share of the derived cells' nodes that do nothing, over the seeds, with β-decay and without a cap; the
text before has it without β-decay too. `derived_minus_random_se`: how much lower the error of derived networks is than
the mean of random cells of equal size (±10 %), in standard errors. `modes_differ`: whether `macs` and
`model_size_bytes` give different networks, each the lower one in its own cost. `latency_target_max_error`: the largest
distance of a derived network's predicted latency from its target, as a share of it, over three targets on two devices,
without a weight to tune. `budgets_max_excess`: by what share a network of one search with budgets of latency, arena and
flash at once exceeds one of them, 0 or less where it meets all. `two_path_memory_ratio`: memory that a step of the
logits on 256 images adds to a process, of two paths over that of all nine.
"""

import argparse
import json
from pathlib import Path

from gradient_sections import darts, proxyless, sizes


def main() -> None:
    """Measure, print tables, then a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("darts", "proxyless", "sizes"))
    given = parser.parse_args()
    figures = {}
    for name, section in (("sizes", sizes), ("darts", darts), ("proxyless", proxyless)):
        if given.only in (None, name):
            figures |= section.measured(given.data, given.quick)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
