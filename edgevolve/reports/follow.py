"""Reading a journal while another process writes it, on this machine or on a shared disk."""

from contextlib import closing
from itertools import islice
from pathlib import Path

from edgevolve.graph import Graph, from_json
from edgevolve.process import many_objects
from edgevolve.runs import Run
from edgevolve.runs.events import EVENT, Asked, Event, Finished, Rejected, Started
from edgevolve.runs.events import Failed as FailedEvent
from edgevolve.runs.journal import Reader
from edgevolve.runs.run import fitting


class Follower:
    """A run that is updated as its journal grows; the journal is neither written nor locked."""

    def __init__(self, path: Path) -> None:
        """Follow the journal at `path`, which need not exist yet."""
        self.path = path
        self.run: Run | None = None
        """The run; None until the first line of the journal is written."""
        self.changes: list[int] = []
        """The number of the candidate for each asking, end and rejection, in order; the list only grows."""
        self._reader = Reader(path)
        self._network_at: dict[int, int] = {}

    @property
    def generation(self) -> int:
        """How often another journal has replaced the one that was followed."""
        return self._reader.generation

    @property
    def behind(self) -> float:
        """The share of the journal that is not read yet, 0 to 1."""
        size = self.path.stat().st_size if self.path.exists() else 0
        return max(0.0, 1 - self._reader.offset / size) if size else 0.0

    def poll(self, most: int | None = None) -> int:
        """Read the complete lines written since, at most `most`; return their number. Raises `JournalError`."""
        if not self.path.exists():
            return 0
        generation, count = self.generation, 0
        with many_objects(), closing(self._reader.new()) as events:
            for event in islice(events, most):
                if self.generation != generation:
                    generation = self._begin_again()
                self._take(event)
                count += 1
        if self.generation != generation:
            self._begin_again()
        return count

    def graph(self, number: int) -> Graph | None:
        """The network of a candidate that was asked for; None for any other number."""
        if number not in self._network_at:
            return None
        with self.path.open("rb") as file:
            file.seek(self._network_at[number])
            event = EVENT.validate_json(file.readline())
        if not isinstance(event, Asked | Finished) or event.number != number or event.graph is None:
            return None
        return from_json(event.graph)

    def _take(self, event: Event) -> None:
        if self.run is None:
            assert isinstance(event, Started)
            with fitting(self.path):
                self.run = Run(self.path, event)
            return
        with fitting(self.path):
            self.run.apply(event)
        if isinstance(event, Asked) or (isinstance(event, Finished) and event.graph is not None):
            self._network_at[event.number] = self._reader.at
        if isinstance(event, Asked | Rejected | Finished | FailedEvent):
            self.changes.append(event.number)

    def _begin_again(self) -> int:
        self.run, self.changes, self._network_at = None, [], {}
        return self.generation
