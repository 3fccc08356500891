"""The progress of a running search: on a terminal one line that is overwritten, elsewhere lines with the time."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from edgevolve.reports.quantities import duration, quantity
from edgevolve.runs import Run, SearchConfig, events

_SILENCE_S = 10.0
"""Something is printed at least this often."""
_LINES_EVERY_S = 1.0
"""In a file, lines of candidates are printed at most this often."""


class ProgressDisplay:
    """An observer of the loop that prints progress; use it in a `with` block."""

    def __init__(self, console: Console, config: SearchConfig) -> None:
        """Draw nothing before the first event. The budgets are those of `config`."""
        self._console = console
        self._config = config
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[best]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("searching", total=config.evaluations, rate="", best="")
        self._workers = 1
        self._begun_at = 0
        self._began = 0.0
        self._rate = ""
        self._latest: tuple[Run, int, float] | None = None  # a run, what is in flight, when: another thread reads it
        self._printed = time.monotonic()
        self._closed = threading.Event()

    def __enter__(self) -> "ProgressDisplay":
        self._bar.start()
        threading.Thread(target=self._keep_saying, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing."""
        self._closed.set()
        self._bar.stop()

    def __call__(self, run: Run, event: events.Event) -> None:
        """Show the event."""
        if isinstance(event, events.Started | events.Resumed):
            self._workers = event.workers
        self._latest = run, len(run.in_flight), event.time - run.active_seconds
        if isinstance(event, events.Started | events.Resumed):
            self._begun_at, self._began = run.evaluations, event.time
        self._count(run, event.time)
        match event:
            case events.Started() | events.Resumed():
                workers = f"{event.workers} worker{'s' if event.workers > 1 else ''}"
                begun = (
                    f", going on after {run.evaluations} evaluations; budgets count from the first start"
                    if run.evaluations
                    else ""
                )
                self._console.print(f"{run.name}: {workers}{begun}", highlight=False)
                for note in run.started.data.get("notes", ()):
                    self._console.print(f"data: {note}", highlight=False, markup=False, soft_wrap=True)
                self._update(run)
            case events.Rejected() if self._console.is_terminal and len(run.records) % 50 == 0:
                self._update(run)
            case events.Finished():
                self._line(run, event.number, self._figures(run, event))
                self._update(run)
            case events.Failed():
                self._line(run, event.number, f"failed: {event.kind}: {event.reason}", always=True)
                self._update(run)

    def _keep_saying(self) -> None:
        """Say what the search waits for, whenever nothing has ended for long."""
        while not self._closed.wait(_SILENCE_S / 10):
            if time.monotonic() - self._printed < _SILENCE_S or self._closed.is_set():
                continue
            if not self._latest:
                self._console.print("reading the data and starting the workers", highlight=False)
                self._printed = time.monotonic()
                continue
            run, flying, began = self._latest
            seconds = max(0.0, time.time() - began)
            words = waiting_words(run, flying, self._workers, self._config.minutes, seconds)
            if self._console.is_terminal:
                self._bar.update(self._task, description=words)
                self._printed = time.monotonic()
            else:
                self._print(run, words, seconds)

    def _figures(self, run: Run, event: events.Finished) -> str:
        shown = [run.metric(objective.metric) for objective in run.problem.objectives]
        return "  ".join(f"{metric.title} {quantity(metric, event.metrics[metric.name])}" for metric in shown)

    def _line(self, run: Run, number: int, text: str, always: bool = False) -> None:
        last = run.evaluations == self._config.evaluations
        due = always or last or time.monotonic() - self._printed >= _LINES_EVERY_S
        if due and not self._console.is_terminal:
            self._print(run, f"candidate {number}: {text}")

    def _count(self, run: Run, now: float) -> None:
        done, seconds = run.evaluations - self._begun_at, now - self._began
        self._rate = f"{3600 * done / seconds:.0f}/h" if done and seconds > 0 else ""

    def _print(self, run: Run, words: str, seconds: float | None = None) -> None:
        of = f"/{self._config.evaluations}" if self._config.evaluations else ""
        spent = duration(run.active_seconds if seconds is None else seconds)
        spent = f"{spent}, {self._rate}" if self._rate else spent
        self._console.print(f"[{run.evaluations}{of}] {spent}: {words}", highlight=False, markup=False, soft_wrap=True)
        self._printed = time.monotonic()

    def _update(self, run: Run) -> None:
        best = run.best
        main = run.main
        self._printed = time.monotonic() if self._console.is_terminal else self._printed
        self._bar.update(
            self._task,
            description="searching",
            completed=run.evaluations,
            rate=self._rate,
            best=(f"best {main.title} {quantity(main, best.metrics[main.name])}  " if best else "")
            + f"feasible {run.feasible_share:.0%}",
        )


def figures(metrics: Mapping[str, float]) -> str:
    """The metrics that a job reports, in words."""
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def waiting_words(run: Run, flying: int, workers: int, minutes: float | None, seconds: float) -> str:
    """What a search without news is doing after `seconds`, and why it goes on beyond its budget of `minutes`.

    `flying` candidates are in flight; as many of them as there are `workers` are in training.
    """
    if run.started.config.get("prepare") and run.prepared is None:
        last = run.preparing
        return f"preparing, step {last.step}: {figures(last.metrics)}" if last else "preparing"
    training = min(flying, workers)
    if minutes is not None and seconds >= 60 * minutes and training:
        those = "the candidate" if training == 1 else f"the {training} candidates"
        return f"{minutes:g} minutes are over; waiting for {those} in training, none is begun any more"
    rejected = len(run.records) - run.evaluations - flying
    return f"{training} in training, {rejected} of {len(run.records)} candidates rejected before it"
