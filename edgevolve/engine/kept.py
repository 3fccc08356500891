"""What stays on the disk while a search runs: all else is removed."""

from collections.abc import Iterable

from edgevolve.runs import Run
from search_algorithms import Candidate


def weights_to_keep(run: Run, in_flight: Iterable[Candidate]) -> set[int]:
    """The candidates of the front, and those from whose weights a candidate in flight starts."""
    kept = {record.number for record in run.front}
    for candidate in in_flight:
        inherited = candidate.inherits.artefact if candidate.inherits else None
        kept |= {number for number in (candidate.continues, inherited) if isinstance(number, int)}
    return kept


def artefacts_to_keep(run: Run, in_flight: Iterable[Candidate]) -> set[str]:
    """What was prepared, what candidates in flight start from, their last checkpoints, and final weights."""
    kept = {each.artefact for each in (run.prepared, run.preparing) if each}
    kept |= {trained.artefact for each in run.retrained.values() for trained in each}
    for candidate in in_flight:
        kept.add(run.records[candidate.number].checkpoint)
        kept.add(str(candidate.inherits.artefact) if candidate.inherits else None)
    return {name for name in kept if name}
