"""What a person sees while a search runs: a bar on a terminal, a line a candidate elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from edgevolve.reports.quantities import quantity
from edgevolve.runs import Run, events


class ProgressDisplay:
    """An observer of the loop; hold it in a `with` block. `evaluations` is the budget, if there is one."""

    def __init__(self, console: Console, evaluations: int | None) -> None:
        """Nothing is drawn before the first event."""
        self._console = console
        self._total = evaluations
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
        self._task = self._bar.add_task("searching", total=evaluations, rate="", best="")
        self._begun_at = 0
        self._began = 0.0

    def __enter__(self) -> "ProgressDisplay":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def __call__(self, run: Run, event: events.Event) -> None:
        """Show the event."""
        match event:
            case events.Started() | events.Resumed():
                self._begun_at, self._began = run.evaluations, event.time
                workers = f"{event.workers} worker{'s' if event.workers > 1 else ''}"
                begun = f", going on after {run.evaluations} evaluations" if run.evaluations else ""
                self._console.print(f"{run.started.name}: {workers}{begun}", highlight=False)
                for note in run.started.data.get("notes", ()):
                    self._console.print(f"data: {note}", highlight=False, markup=False, soft_wrap=True)
                self._update(run, event.time)
            case events.Rejected() if self._console.is_terminal and len(run.records) % 50 == 0:
                self._update(run, event.time)
            case events.Finished():
                self._line(run, event.number, self._figures(run, event))
                self._update(run, event.time)
            case events.Failed():
                self._line(run, event.number, f"failed: {event.kind}: {event.reason}")
                self._update(run, event.time)

    def _figures(self, run: Run, event: events.Finished) -> str:
        shown = [run.metric(objective.metric) for objective in run.problem.objectives]
        return "  ".join(f"{one.title} {quantity(one, event.metrics[one.name])}" for one in shown)

    def _line(self, run: Run, number: int, text: str) -> None:
        if not self._console.is_terminal:
            of = f"/{self._total}" if self._total else ""
            self._console.print(f"[{run.evaluations}{of}] candidate {number}: {text}", highlight=False, markup=False)

    def _update(self, run: Run, now: float) -> None:
        done, seconds = run.evaluations - self._begun_at, now - self._began
        best = run.best
        main = run.main
        self._bar.update(
            self._task,
            completed=run.evaluations,
            rate=f"{3600 * done / seconds:.0f}/h" if done and seconds > 0 else "",
            best=(f"best {main.title} {quantity(main, best.metrics[main.name])}  " if best else "")
            + f"feasible {run.feasible_share:.0%}",
        )
