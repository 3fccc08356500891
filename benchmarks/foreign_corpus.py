"""A folder of some 400 `.tflite` files such as people bring, all made here from random numbers.

    python benchmarks/foreign_corpus.py FOLDER

Keras applications and other networks as TensorFlow's converter writes them, in the types that it offers; recurrent
and streaming networks, branches, signatures; a file for each kernel of TensorFlow Lite Micro; and files with what
tools add: metadata, archives, memory plans, weights outside, operators of vendors' compilers. What the converter
does not convert is left out with a word.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras

from benchmarks.foreign_sections.additions import additions
from benchmarks.foreign_sections.convert import Made
from benchmarks.foreign_sections.networks import applications, blocks, recurrent
from benchmarks.foreign_sections.several import several
from tests.tflite.operator_files import CASES


def operators() -> Made:
    """A file for each kernel of TensorFlow Lite Micro and each type that it takes."""
    for name, content in CASES.items():
        yield name.replace("/", "_"), lambda content=content: content


def main() -> None:
    """Write every file that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    keras.utils.set_random_seed(0)
    groups = (operators, additions, blocks, several, recurrent, applications)
    for group in groups:
        (folder / group.__name__).mkdir(parents=True, exist_ok=True)
        for name, make in group():
            path = folder / group.__name__ / f"{name}.tflite"
            if path.exists():
                continue
            try:
                path.write_bytes(make())
            except Exception as error:  # the converter does not say what it raises
                print(f"{path}: not converted: {' '.join(str(error).split())[:150]}", file=sys.stderr)


if __name__ == "__main__":
    main()
