"""Searches in the terminal: shows progress, then the front, and how to continue after an interrupt."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgevolve.engine import WorkersLostError, search
from edgevolve.process import leave_within, say
from edgevolve.reports.boards import Follower
from edgevolve.reports.boards import boards as open_boards
from edgevolve.reports.progress import ProgressDisplay
from edgevolve.reports.terminal import front_table, within_soft_bounds
from edgevolve.runs import JournalError, Run, SearchConfig
from edgevolve.runs.events import Event, Stopped

if TYPE_CHECKING:
    from rich.console import Console

CLOSING_DEADLINE_S = 20.0
"""The most seconds that workers and cluster may take to close."""


def search_in_terminal(
    config: SearchConfig,
    name: str,
    console: "Console",
    *,
    out: Path,
    resume: bool,
    ray_address: str | None,
    boards: tuple[Path | None, Path | None],
) -> Run:
    """Search and print the front, before closing anything, as a dead cluster may end the process.

    `boards` are the folders for TensorBoard and MLflow. Raises what `engine.search` raises; an interrupt is reported
    and raised again.
    """
    seen: list[Run] = []
    with ProgressDisplay(console, config) as display:

        def show_front() -> None:
            display.close()
            for run in seen:
                within = within_soft_bounds(run)
                console.print(front_table(run, within, left_out=len(run.front) - len(within)))

        def observe(run: Run, event: Event) -> None:
            seen[:] = [run]
            display(run, event)
            follow(run, event)
            if isinstance(event, Stopped):
                show_front()
                if event.cause == "interrupted":
                    say("interrupted; all finished candidates are kept: add --resume to the same command to continue")
                leave_within(CLOSING_DEADLINE_S, 130 if event.cause == "interrupted" else status(run))

        try:
            with open_boards(name, *boards) as opened:
                follow = Follower(opened)
                return search(config, name, out=out, resume=resume, ray_address=ray_address, observe=observe)
        except KeyboardInterrupt:
            if not seen or seen[0].stopped is None:
                say("interrupted")
            raise
        except (WorkersLostError, JournalError):
            show_front()
            raise


def status(run: Run) -> int:
    """The exit status of a search that has ended: 0, or 1 if it failed, or 2 if no network keeps its bounds."""
    stopped = run.stopped
    if stopped and stopped.cause == "infeasible":
        return 2
    return int(bool(run.failures and stopped and (stopped.cause == "failures" or not run.front)))
