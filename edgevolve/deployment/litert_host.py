"""The process in which `deployment.optimise` runs LiteRT on any file: a script that imports nothing of ours.

It reads `model.tflite` and `inputs.npz` from a folder and writes `outputs.npz` there. The first inputs are those of the
first subgraph; signatures, as JSON [name, [names of inputs]], take the following ones.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np


def main(folder: Path, signatures: list[tuple[str, list[str]]]) -> None:
    """Run every example with LiteRT's own kernels, no delegate, on one thread; then those of the signatures."""
    litert = import_module("ai_edge_litert.interpreter")
    try:
        interpreter = litert.Interpreter(
            model_path=str(folder / "model.tflite"),
            num_threads=1,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        with np.load(folder / "inputs.npz") as stored:
            inputs = [stored[key] for key in stored.files]
        first = len(interpreter.get_input_details())
        rows = []
        for example in zip(*inputs[:first], strict=True):
            for tensor, values in zip(interpreter.get_input_details(), example, strict=True):
                whole = values.ndim == len(tensor["shape"])
                interpreter.set_tensor(tensor["index"], values if whole else values[np.newaxis])
            interpreter.invoke()
            rows.append([interpreter.get_tensor(tensor["index"]) for tensor in interpreter.get_output_details()])
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        for name, names in signatures:
            run, given = interpreter.get_signature_runner(name), inputs[first : first + len(names)]
            first += len(names)
            examples = zip(*given, strict=True) if given else [()]
            answers = [run(**dict(zip(names, example, strict=True))) for example in examples]
            columns += [np.stack([answer[key] for answer in answers]) for key in sorted(answers[0])]
    except (ValueError, RuntimeError) as error:
        sys.exit(" ".join(str(error).split()))
    np.savez(folder / "outputs.npz", *columns)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else [])
