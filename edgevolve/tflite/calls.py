"""Checks subgraphs that run others: which run which, and whether the calls end."""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from edgevolve.graph import ShapeError
from edgevolve.tflite.model import Subgraph, TfliteError

_MOST_RUNS = 10_000
"""The most operators along all calls: a subgraph that is called twice counts twice, a loop once."""

_MOST_DEPTH = 64


def check_calls(subgraphs: Sequence[Subgraph]) -> None:
    """Raise `TfliteError` or `ShapeError` where a call has no subgraph, is recursive, or does not fit its tensors."""
    for number, subgraph in enumerate(subgraphs):
        for index, operator in enumerate(subgraph.operators):
            who = f"{operator.name.lower()}_{index}" + (f" of subgraph {number}" if number else "")
            for called in operator.calls:
                if not 0 <= called < len(subgraphs):
                    raise TfliteError(f"damaged: {who} calls subgraph {called}; the file has {len(subgraphs)}")
            _check_ends(who, operator.name, len(operator.inputs), len(operator.outputs), operator.calls, subgraphs)
    calls = [tuple(called for operator in part.operators for called in operator.calls) for part in subgraphs]
    try:
        order = tuple(TopologicalSorter(dict(enumerate(calls))).static_order())
    except CycleError as error:
        circle = error.args[1][::-1]
        raise ShapeError(f"subgraph {circle[0]} runs itself" + _through(circle[1:-1])) from None
    depths, runs = [0] * len(subgraphs), [0] * len(subgraphs)
    for number in order:
        depths[number] = max((depths[called] + 1 for called in calls[number]), default=0)
        runs[number] = 1 + len(subgraphs[number].operators) + sum(runs[called] for called in calls[number])
    if max(depths) > _MOST_DEPTH:
        raise TfliteError(f"subgraphs run each other {max(depths)} deep; edgevolve reads up to {_MOST_DEPTH}")
    if max(runs) > _MOST_RUNS + 1:
        raise TfliteError(f"more than {_MOST_RUNS} operators along its calls; edgevolve reads no more")


def _check_ends(
    who: str, name: str, inputs: int, outputs: int, calls: Sequence[int], subgraphs: Sequence[Subgraph]
) -> None:
    """Raise `ShapeError` unless each called subgraph takes and gives the tensors that its operator has for it."""
    if not calls:
        return
    given = {"IF": inputs - 1, "WHILE": inputs, "CALL_ONCE": 0}.get(name, inputs)
    if name == "WHILE" and inputs != outputs:
        raise ShapeError(f"{who} reads {inputs} tensors and makes {outputs}")
    for place, called in enumerate(calls):
        taken, made = len(subgraphs[called].graph.inputs), len(subgraphs[called].outputs)
        wanted = 1 if name == "WHILE" and place == 0 else outputs
        if taken != given or made != wanted:
            raise ShapeError(
                f"{who} gives subgraph {called} {given} tensors and wants {wanted}; that takes {taken} and gives {made}"
            )


def _through(circle: Sequence[int]) -> str:
    return f", by way of {', '.join(map(str, circle[:8]))}" if circle else ""
