"""A regression and an anomaly detector, searched, exported as int8 and run in C, beside what a linear model gives.

    python benchmarks/targets.py [--evaluations 60] [--out artifacts/targets]

R² and AUC are of the test split, which takes no part in the search. Ridge regression learns from the training split as
the search does; the anomaly detector's rival is the reconstruction from 16 principal components.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from driver import load_config
from edgevolve import Inline, search
from edgevolve.data import Split, load_splits
from edgevolve.data.target import area_under_curve
from edgevolve.runs.provenance import facts, load_data


def searched(name: str, evaluations: int, out: Path) -> dict[str, Any]:
    """The manifest of the best of a search."""
    from edgevolve.deployment.export import export

    run = search(load_config(name).with_fields(evaluations=evaluations), name, out=out, evaluator=Inline)
    assert run.best
    number = run.best.number
    graph, weights, about = run.graph(number), run.weights(number), facts(run, number)
    folder = run.folder / "export"
    export(folder, graph, weights, load_data(run), about, ("tflite", "c"))
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def flat(part: Split) -> Any:
    """Examples as rows."""
    return part.x[:].reshape(len(part), -1)


def ridge_r2() -> float:
    """R² of ridge regression on the test split of the diabetes table."""
    from sklearn.linear_model import Ridge

    splits = load_splits(load_config("diabetes_mlp").data)
    return float(Ridge().fit(flat(splits.train), splits.train.y).score(flat(splits.test), splits.test.y))


def components_auc() -> float:
    """AUC of the error of a reconstruction from 16 principal components, on the test split of the digits."""
    from sklearn.decomposition import PCA

    splits = load_splits(load_config("digits_anomaly").data)
    model, test = PCA(16).fit(flat(splits.train)), flat(splits.test)
    errors = ((model.inverse_transform(model.transform(test)) - test) ** 2).mean(axis=1)
    return area_under_curve(errors, np.asarray(splits.test.y) == 1)


def main() -> None:
    """Print a row a task, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("artifacts") / "targets")
    given = parser.parse_args()
    figures: dict[str, float] = {}
    for name, metric, rival, score in (
        ("diabetes_mlp", "r2", "ridge", ridge_r2),
        ("digits_anomaly", "auc", "16 components", components_auc),
    ):
        manifest = searched(name, given.evaluations, given.out)
        test = manifest["scores"]["test"]
        row = {"float": test["float"][metric], "int8": test["int8"][metric], rival: score()}
        print(f"{name:<16}{metric:<5}" + "".join(f"{what} {value:.4f}   " for what, value in row.items()))
        print(f"{'':<16}answer.h {manifest['formats']['c']['answer']}")
        figures |= {f"{metric}_{what.replace(' ', '_')}": round(value, 4) for what, value in row.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
