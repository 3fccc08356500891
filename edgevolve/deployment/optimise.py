"""A better order and memory plan for any `.tflite`: never worse, and with the same outputs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgevolve.deployment.archive import with_archive_of
from edgevolve.deployment.banded_file import put_in_bands
from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.file_plan import lay_out, put_in_best_order
from edgevolve.deployment.flatbuffer import bare, keeps_weights_outside, packed, unpacked
from edgevolve.deployment.isolated import IsolatedError, run_isolated
from edgevolve.deployment.micro import MicroError, run_on_micro
from edgevolve.graph import ShapeError, Tensor
from edgevolve.tflite import Signature, TfliteModel, compiled_for, open_sizes, read_tflite, runtimes
from predictors import Device, PredictorError, device
from resource_models import QUICK, THOROUGH, Choice, Effort, Plan, choices, copies, file_footprint, stored_head_bytes

_EXAMPLES = 4
_MOST_BYTES = 2**28
"""The most bytes of an input; a file that claims more is not run."""


TIMED_ON = "cortex_m4"
"""The packaged device whose model of cycles says how much more time bands take."""


class Step(NamedTuple):
    """A way to run a file: its arena on a Cortex-M, and what it takes more than without bands, as shares.

    `work` counts multiply-accumulates, `flash` the bytes of the file without a memory plan. `time` is modelled for
    `TIMED_ON`, with copies and calls of operators; None where the model does not know the operators.
    """

    arena_bytes: int
    work: float
    flash: float = 0.0
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Optimised:
    """A rewritten file and what it saves.

    `head_bytes` are the planned memory before and after, by our replica of the runtime's planner. `micro_head_bytes`
    are the same two as TensorFlow Lite Micro reports them; None where it cannot run the file, for the reason
    `micro_says`. `litert_says` is the reason why LiteRT cannot run the file, where only TensorFlow Lite Micro can.
    `exact` says that no plan needs less in the order chosen. With extra work allowed, `arenas` lists the trade-off from
    most memory to most work, the file without bands first.
    """

    model: bytes
    head_bytes: tuple[int, int]
    micro_head_bytes: tuple[int, int] | None
    micro_says: str
    exact: bool
    litert_says: str = ""
    arenas: tuple[Step, ...] = ()

    @property
    def saving(self) -> float:
        """The share of the head that is saved."""
        before, after = self.head_bytes
        return 1 - after / before if before else 0.0


def lean(model: bytes, slower: float = 0.0, most_arena_bytes: int = 0) -> bytes:
    """The exporter's form of a file: only what a device reads, and the memory plan that needs the least.

    With `slower` above 0 it runs in bands, exactly as a search with the same share and the same bound on the arena
    measured it (`resource_models.in_bands`).
    """
    content = unpacked(model)
    bare(content)
    if slower > 0:
        _in_bands(content, slower, most_arena_bytes, QUICK)
    lay_out(content)
    return packed(content)


def optimised(model: bytes, slower: float = 0.0, most_arena_bytes: int = 0) -> Optimised:
    """The file with its operators in the order of least peak memory, and with the best memory plan found.

    With `slower` above 0 parts may run in bands (`resource_models.bands`), for at most this share of extra
    multiply-accumulates: the fewest that bring the arena on a Cortex-M within `most_arena_bytes`, or to the least.

    Names of tensors between inputs and outputs are dropped. An archive at the end of the file, metadata, signatures and
    custom options are kept. Weights after the FlatBuffer, which TensorFlow Lite Micro does not read, are taken inside.
    Where nothing is saved, or sizes are open, the file is returned unchanged.

    The result and the original run on the same random inputs: on LiteRT, the first subgraph and each signature of
    another one, and on TensorFlow Lite Micro. At least one of the two must run the file. Raises `TfliteError` for what
    `read_tflite` refuses, and `ExportError` for a file that neither runs or whose outputs differ.
    """
    read = read_tflite(model)  # checks every offset before anything follows it
    compiled = compiled_for(read)
    if compiled:
        raise ExportError(f"compiled for an {compiled}, so TensorFlow Lite has no memory to plan")
    if unsized := open_sizes(read):
        head = stored_head_bytes(read)
        says = f"left as it is: no plan holds for what {', '.join(unsized)} makes, whose size the file leaves open"
        return Optimised(model, (head, head), None, says, False)
    outside = keeps_weights_outside(model)
    after, before, plan, arenas = replanned(model, slower, most_arena_bytes)
    if most_arena_bytes and (needed := file_footprint(read_tflite(after)).file_arena_bytes) > most_arena_bytes:
        within = f"within {slower:.0%} more multiply-accumulates"
        raise ExportError(f"needs an arena of at least {needed} bytes {within}, more than {most_arena_bytes}")
    if not outside and (plan.head_bytes > before or (plan.head_bytes == before and len(after) >= len(model))):
        exact = plan.exact and plan.head_bytes == before
        return Optimised(model, (before, before), None, "nothing to save", exact, arenas=arenas[:1])
    inputs = random_inputs(read.graph.inputs)
    litert_says = _compared_on_litert(model, after, inputs, [s for s in read.signatures if s.subgraph])
    heads = (before, plan.head_bytes)
    was, micro = runtimes(read)[0], runtimes(read_tflite(after))[0]
    try:
        if not micro.runs:
            raise MicroError(f"{micro.runtime} cannot run it: {', '.join(micro.stopped_by)}")
        new = run_on_micro(after, inputs)
        old = run_on_micro(model, inputs) if was.runs else new
    except MicroError as error:
        if litert_says:
            raise ExportError(f"no runtime here runs it: LiteRT: {litert_says}; {error}") from None
        return Optimised(after, heads, None, str(error), plan.exact, arenas=arenas)
    if not _same(old.outputs, new.outputs):
        raise ExportError("the rewritten file gives other outputs on TensorFlow Lite Micro; it was not written")
    says = "" if was.runs else f"{was.runtime} could not run it as it was: {', '.join(was.stopped_by)}"
    if len(arenas) > 1 and read.dynamic_batch:
        says = "its batch, which was open, is one example now"
    if outside:
        says = "its weights lie inside the FlatBuffer now; TensorFlow Lite Micro does not read others"
    if new.head_bytes > old.head_bytes:
        return Optimised(model, (before, before), (old.head_bytes,) * 2, "", False, litert_says)
    return Optimised(after, heads, (old.head_bytes, new.head_bytes), says, plan.exact, litert_says, arenas)


def _compared_on_litert(
    model: bytes, after: bytes, inputs: Sequence[NDArray[Any]], signatures: Sequence[Signature]
) -> str:
    """Compare both files on LiteRT; return the reason where LiteRT does not run the original, else an empty text.

    `signatures` are those of subgraphs behind the first; their inputs follow those of the first. Raises `ExportError`
    where outputs differ.
    """
    named = json.dumps([[each.name, [name for name, _ in each.inputs]] for each in signatures])
    every = [*inputs, *(array for each in signatures for array in random_inputs([x for _, x in each.inputs]))]
    try:
        wanted = run_isolated("litert_host.py", model, every, named).outputs
    except IsolatedError as error:
        return str(error)
    try:
        same = _same(wanted, run_isolated("litert_host.py", after, every, named).outputs)
    except IsolatedError:
        same = False
    if not same:
        raise ExportError("the rewritten file gives other outputs on LiteRT; it was not written")
    return ""


class Replanned(NamedTuple):
    """A rewritten file, the bytes of the head before, the plan after, and `Optimised.arenas`."""

    model: bytes
    head_before: int
    plan: Plan
    arenas: tuple[Step, ...]


def replanned(model: bytes, slower: float = 0.0, most_arena_bytes: int = 0) -> Replanned:
    """The rewritten file; nothing is run. `model` must have been read."""
    content = unpacked(model)
    before = stored_head_bytes(read_tflite(model))
    put_in_best_order(content)
    arenas: tuple[Step, ...] = ()
    if slower > 0:
        whole = packed(content)
        arenas = _steps(whole, _in_bands(content, slower, most_arena_bytes))
    plan = lay_out(content, THOROUGH.packings) if len(arenas) > 1 else lay_out(content)
    _drop_inner_names(content)
    return Replanned(with_archive_of(model, packed(content)), before, plan, arenas)


def _in_bands(content: Any, slower: float, most_arena_bytes: int, effort: Effort = THOROUGH) -> tuple[Choice, ...]:
    """Put parts of a `ModelT` in bands as far as allowed and needed; return all choices, of which the last is taken."""
    read = read_tflite(packed(content))
    if len(read.subgraphs) > 1 or read.variables:
        return ()
    every = choices(read, slower, most_arena_bytes, effort=effort)
    if every[-1].parts:
        put_in_bands(content, read, every[-1].banded)
    return every


def _steps(model: bytes, every: Sequence[Choice]) -> tuple[Step, ...]:
    """The arena and the extra work, flash and time of each choice; `model` has no bands."""
    read, timed = read_tflite(model), device(TIMED_ON)
    sizes, times = (
        [_bytes_in_bands(model, read, each) for each in every],
        [_milliseconds(timed, each) for each in every],
    )
    return tuple(
        Step(
            each.footprint.arena_bytes,
            each.slower,
            bytes_ / sizes[0] - 1,
            time / times[0] - 1 if time is not None and times[0] else None,
        )
        for each, bytes_, time in zip(every, sizes, times, strict=True)
    )


def _bytes_in_bands(model: bytes, read: TfliteModel, choice: Choice) -> int:
    if not choice.parts:
        return len(model)
    content = unpacked(model)
    put_in_bands(content, read, choice.banded)
    return len(packed(content))


def _milliseconds(timed: Device, choice: Choice) -> float | None:
    """The latency that the device's model of cycles predicts; None where it does not know the operators."""
    try:
        predicted = timed.predict(choice.banded.model.graph)["latency_ms"].value
    except (PredictorError, ShapeError):
        return None
    more = getattr(timed, "bands_ms", None)
    return predicted + more(*copies(choice)) if more and choice.parts else predicted


def _drop_inner_names(content: Any) -> None:
    for graph in content.subgraphs:
        kept = {int(t) for t in (*graph.inputs, *graph.outputs)}
        for number, tensor in enumerate(graph.tensors):
            if number not in kept:
                tensor.name = None


def random_inputs(tensors: Sequence[Tensor], seed: int = 0) -> list[NDArray[Any]]:
    """Random examples for each input, (number, *shape of the tensor): floats from -1 to 1, small integers of any value.

    Integers of more than 16 bits and truth values are 0 or 1.

    Raises `ExportError` for an input that is too large to try, or of a type that NumPy does not have.
    """
    rng = np.random.default_rng(seed)
    inputs: list[NDArray[Any]] = []
    for tensor in tensors:
        if tensor.dtype.value not in np.sctypeDict or tensor.size_bytes > _MOST_BYTES:
            raise ExportError(f"cannot be tried: an input of {tensor.dtype.value} and {tensor.size_bytes} bytes")
        shape, kind = (_EXAMPLES, *tensor.shape), np.dtype(tensor.dtype.value)
        if kind.kind == "f":
            inputs.append(rng.uniform(-1, 1, shape).astype(kind))
        elif kind.kind in "iu" and kind.itemsize <= 2:
            limits = np.iinfo(kind)
            inputs.append(rng.integers(limits.min, limits.max, shape, kind, endpoint=True))
        else:
            inputs.append(rng.integers(0, 2, shape).astype(kind))
    return inputs


def _same(a: Sequence[NDArray[Any]], b: Sequence[NDArray[Any]]) -> bool:
    return len(a) == len(b) and all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
