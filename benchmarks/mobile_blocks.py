"""The blocks of mobile networks in integers: on the digits, the error of each as floats and as its int8 file on LiteRT.

    python benchmarks/mobile_blocks.py [--epochs N] [--only KIND]

A network a kind: two stages of one and two such blocks, trained with one seed. Errors are of the validation split; no
test split is looked at. `int8_loss_max` is by how much the error of an int8 file is the larger at most, over the kinds.
"""

import argparse
import json

import numpy as np

from edgevolve import Digits, MobileSpace, TrainingSettings
from edgevolve.data import load_splits
from edgevolve.graph import from_json, to_json
from edgevolve.quantisation import int8_network, int8_scores
from edgevolve.training.session import configure_tensorflow, release_memory
from edgevolve.training.trainer import train
from search_space import mobile_stages as blocks
from search_space.mobile import Mobile

KINDS: dict[str, blocks.Block] = {
    "bottleneck": blocks.Bottleneck(3, False),
    "ResNeXt, 4 groups": blocks.ResNext(3, 4, False),
    "shuffle, 2 groups": blocks.Shuffle(3, 2),
    "depthwise separable": blocks.Separable(3),
    "inverted bottleneck": blocks.MbConv(3, 2, False),
    "squeeze and excite": blocks.MbConv(3, 2, True),
    "residual": blocks.Residual(3, False),
    "attention, 2 heads": blocks.Attention(2),
}


def main() -> None:
    """Train, convert, print a table, then a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--only", choices=KINDS)
    given = parser.parse_args()
    configure_tensorflow(threads=1)
    data = Digits()
    splits = load_splits(data)
    space = MobileSpace(data.input_shape, data.classes, depths=(1, 2), blocks=(*blocks.BLOCKS, *blocks.MORE_BLOCKS))
    lost = []
    for name, block in KINDS.items():
        if given.only not in (None, name):
            continue
        genotype = Mobile(8, "relu6", 100, 16, (blocks.Stage(block, 32, 1, 1), blocks.Stage(block, 48, 2, 2)), 0)
        graph = from_json(to_json(space.graph(genotype)))
        settings = TrainingSettings(epochs=given.epochs)
        trained = train(graph, splits.train, splits.validation, settings, 0, target=splits.target)
        model = int8_network(graph, trained.weights, splits.train.x[:][:300].astype(np.float32)).tflite()
        whole = int8_scores(model, splits.validation, splits.target)["error"]
        lost.append(whole - trained.metrics["error"])
        print(f"{name}: float {trained.metrics['error']:.2%}, int8 {whole:.2%}, {len(model)} bytes", flush=True)
        release_memory()
    print(json.dumps({"int8_loss_max": max(lost)}))


if __name__ == "__main__":
    main()
