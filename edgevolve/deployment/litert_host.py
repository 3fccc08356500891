"""The process in which `deployment.optimise` runs LiteRT on any file: a script without anything of ours.

It reads `model.tflite` and `inputs.npz` from a folder and writes `outputs.npz` there.
"""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    """Run every example with the plain kernels, one thread."""
    try:
        litert = import_module("ai_edge_litert.interpreter")
    except ImportError:
        litert = import_module("tflite_runtime.interpreter")
    try:
        interpreter = litert.Interpreter(
            model_path=str(folder / "model.tflite"),
            num_threads=1,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        with np.load(folder / "inputs.npz") as stored:
            inputs = [stored[key] for key in stored.files]
        rows = []
        for example in zip(*inputs, strict=True):
            for tensor, values in zip(interpreter.get_input_details(), example, strict=True):
                whole = values.ndim == len(tensor["shape"])
                interpreter.set_tensor(tensor["index"], values if whole else values[np.newaxis])
            interpreter.invoke()
            rows.append([interpreter.get_tensor(tensor["index"]) for tensor in interpreter.get_output_details()])
    except (ValueError, RuntimeError) as error:
        sys.exit(" ".join(str(error).split()))
    np.savez(folder / "outputs.npz", *(np.stack(column) for column in zip(*rows, strict=True)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
