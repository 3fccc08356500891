"""What surrogates can tell of networks that they have not seen, by the encoding alone and by the network beside it.

    nice python benchmarks/surrogate_sight.py [--networks 170] [--splits 8] [--out FOLDER]

Random networks of `CnnSpace`, within 500k MACs and 20 kB of weights, are trained on 8×8 digits, one worker, one thread:
the digits and training settings of `configs/digits_aging.py`. With `--out` the run is kept, and one that is there
already goes on where it ended. Each surrogate is fitted to 100 of the networks and predicts the others; Spearman's rank
correlation, mean and standard error over splits, of the validation error, of the logarithm of the model size and of
that of the multiply-accumulates. *beside it*: their metrics, `macs` alone here, and features, as
`search_algorithms.screening` has them. For size and MACs it is what is to be told, or nearly: these columns say whether
the network is lost among the columns of the encoding. Prints a table, then one line of JSON with `networks` and, for
each surrogate, `NAME_error_encoding` and `NAME_error_beside`.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from configs.digits_aging import config as digits
from edgevolve.engine import Inline, search
from edgevolve.runs import Run
from resource_models import macs, model_size
from search_algorithms import Completed, Problem, RandomSearch, at_most, minimise
from search_algorithms.screening import seen_of
from search_algorithms.surrogate import Evidence, Processes, Surrogate, Thompson, Trees

SURROGATES: dict[str, Surrogate] = {"processes": Processes(optimism=0.25), "thompson": Thompson(), "trees": Trees(0)}
SIGHTS = ("encoding", "beside")
FITTED = 100


def trained(networks: int, folder: Path) -> Run:
    """Random networks and their errors."""
    config = digits.with_fields(
        algorithm=RandomSearch(),
        problem=Problem(
            [minimise("error"), minimise("model_size_bytes")],
            [at_most("model_size_bytes", 20_000), at_most("macs", 500_000)],
        ),
        evaluations=networks,
    )
    return search(config, "random", out=folder, resume=(folder / "random").exists(), evaluator=Inline)


def table_of(run: Run) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """What is seen of each network, by the name of the sight; and what is to be told of each."""
    space = digits.space
    records = [record for record in run.records.values() if isinstance(record.outcome, Completed)]
    genotypes = [space.from_json(json.loads(record.genotype_json)) for record in records]
    graphs = [space.graph(genotype) for genotype in genotypes]
    work = [float(macs(graph)) for graph in graphs]
    seen = {
        "encoding": np.array([seen_of(space, genotype, []) for genotype in genotypes]),
        "beside": np.array(
            [seen_of(space, genotype, [known]) for genotype, known in zip(genotypes, work, strict=True)]
        ),
    }
    targets = {
        "error": np.array([record.metrics["error"] for record in records]),
        "log size": np.log([float(model_size(graph)) for graph in graphs]),
        "log MACs": np.log1p(work),
    }
    return seen, targets


def agreement(
    surrogate: Surrogate, seen: NDArray[np.float64], target: NDArray[np.float64], splits: int
) -> tuple[float, float]:
    """Spearman's correlation on networks that were not fitted to: the mean over splits, and its standard error."""
    values = target[:, None]
    ranks = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(seen))
        fit, judge = order[:FITTED], order[FITTED:]
        evidence = Evidence(seen[fit], values[fit], values[fit], values[fit], np.empty((0, seen.shape[1])))
        mean = surrogate.fit(evidence).predict(seen[judge], evidence).mean[:, 0]
        ranks.append(float(spearmanr(mean, target[judge]).statistic) if np.ptp(mean) else 0.0)
    return float(np.mean(ranks)), float(np.std(ranks) / np.sqrt(splits))


def main() -> None:
    """Train or read, fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=170)
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        seen, targets = table_of(trained(options.networks, options.out or Path(temporary)))
    figures: dict[str, float] = {"networks": len(targets["error"])}
    print(f"{'surrogate':<12}{'sees':<12}" + "".join(f"{target:>18}" for target in targets))
    for name, surrogate in SURROGATES.items():
        for sight in SIGHTS:
            scores = {
                told: agreement(surrogate, seen[sight], values, options.splits) for told, values in targets.items()
            }
            shown = "".join(f"{f'{mean:.3f} ± {error:.3f}':>18}" for mean, error in scores.values())
            print(f"{name:<12}{sight:<12}{shown}", flush=True)
            figures[f"{name}_error_{sight}"] = round(scores["error"][0], 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
