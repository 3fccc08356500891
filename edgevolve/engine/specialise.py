"""Searches for one board after another with one training of shared weights, as in Once-for-All."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from edgevolve.data import Splits
from edgevolve.engine.evaluator import Inline
from edgevolve.engine.loop import Observer
from edgevolve.engine.search import search
from edgevolve.engine.shared_tasks import Inherited, data_fingerprint
from edgevolve.runs import ConfigError, Job, JournalError, Run, SearchConfig
from edgevolve.runs.provenance import data_set_of
from edgevolve.training import Progress, unreported
from search_algorithms import STRATEGIES, AgingEvolution, Completed, Failed, Outcome, Problem, Strategy
from search_space import SPACES, networks_of
from search_space.shared import ABOUT, Sharing, check_shared


@dataclass(frozen=True, slots=True)
class SharedFrom:
    """Shared weights that another run prepared: `SearchConfig(prepare=SharedFrom("artifacts/NAME", space))`.

    Raises `ValueError` if the run prepared none. Weights of another space or of other data make the job fail.
    """

    run: str
    space: Any

    def __post_init__(self) -> None:
        try:
            prepared_weights(Run.open(self.run))
        except JournalError as error:
            raise ValueError(f"SharedFrom: {error}") from error

    @property
    def metric_names(self) -> Sequence[str]:
        """No metrics: the weights are those of another run."""
        return ()

    def prepare(self) -> None:
        """Nothing to import."""

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """The other run's weights, unchanged; a failure where space or data differ."""
        arrays = prepared_weights(Run.open(self.run))
        about = json.loads(arrays[ABOUT].tobytes()) if ABOUT in arrays else {}
        of = about.get("space", repr(self.space))
        if not repr(self.space).startswith(of.removesuffix(")")):  # an earlier version had fewer parameters
            return Failed("another space", f"the shared weights of {self.run} are for {about['space']}")
        if about.get("data") not in (None, data_fingerprint(splits)):
            return Failed("other data", f"the shared weights of {self.run} were trained on another data set or split")
        try:
            if isinstance(self.space, Sharing):
                check_shared(self.space.program, arrays)
        except ValueError as error:
            return Failed("another space", f"{self.run}: {error}")
        return Completed({}, weights=arrays)


def specialised(
    run: Run,
    board: str,
    config: SearchConfig | None = None,
    *,
    minutes: float = 1.5,
    evaluations: int = 200,
    out: str | Path | None = None,
    observe: Observer = lambda run, event: None,
) -> Run:
    """Search within the bounds of `board` with the shared weights that `run` prepared, in this process.

    The new run is `NAME_BOARD` in `out`, by default next to the old one. `config` is the run's configuration, needed
    where its data, space or strategy are the user's own. Raises `ConfigError`, also where no network is within the
    board's bounds, and `JournalError` where the run prepared no weights or the new run exists.
    """
    prepared_weights(run)
    chosen = _for_board(run, board, config).with_fields(minutes=minutes, evaluations=evaluations)
    folder = run.folder.parent if out is None else Path(out)
    return search(chosen, specialised_name(run, board), out=folder, evaluator=Inline, observe=observe)


def specialised_name(run: Run, board: str) -> str:
    """The name of the run for a board."""
    return f"{run.folder.name}_{Path(board).stem if board.endswith('.yaml') else board.replace('/', '_')}"


def _for_board(run: Run, board: str, config: SearchConfig | None) -> SearchConfig:
    if config is not None:
        shared = SharedFrom(str(run.folder), networks_of(config.space))
        task = config.task if isinstance(config.task, Inherited) else Inherited()
        return config.with_fields(board=board, prepare=shared, task=task, start=run.front_genotypes())
    begun = run.started.config
    space = space_of(run)
    strategy: Strategy = _made(run, "algorithm", STRATEGIES, default=AgingEvolution())
    of_a_board = set() if run.board is None else {"arena_bytes", "flash_bytes"}
    bounds = [bound for bound in run.problem.constraints if bound.metric.partition("@")[0] not in of_a_board]
    return SearchConfig(
        data=data_set_of(run),
        space=space,
        problem=Problem(list(run.problem.objectives), bounds),
        algorithm=strategy,
        task=Inherited(recalibrated_from(run)),
        prepare=SharedFrom(str(run.folder), space),
        board=board,
        start=run.front_genotypes(),
        seed=begun["seed"],
    )


def space_of(run: Run, config: SearchConfig | None = None) -> Any:
    """The space that the run searched: that of `config`, or rebuilt from the journal. Raises `ConfigError`."""
    return _made(run, "space", {kind.__name__: kind for kind in SPACES.values()}) if config is None else config.space


def recalibrated_from(run: Run) -> int:
    """The number of training examples from which the run's task estimates the statistics of batch norm."""
    known = run.started.config["task"]
    if isinstance(known, Mapping) and known.get("type") == Inherited.__name__:
        return int(known.get("recalibrate", Inherited().recalibrate))
    return Inherited().recalibrate


def _made(run: Run, name: str, kinds: Mapping[str, Callable[..., Any]], default: Any = None) -> Any:
    """A part of the configuration, rebuilt from its JSON form in the journal."""
    form = run.started.config[name]
    kind = kinds.get(form.get("type", "")) if isinstance(form, Mapping) else None
    if kind is None or not is_dataclass(kind):
        if default is not None:
            return default
        raise ConfigError(f"{run.path}: its {name} is defined in its configuration; add --config CONFIG.py")
    known = {field.name for field in fields(kind)}
    values = {key: _tuples(value) for key, value in form.items() if key in known}
    nested = any(isinstance(value, Mapping) for value in values.values())
    try:
        if nested:
            raise TypeError("it has parts of its own")
        return kind(**values)
    except (TypeError, ValueError) as error:
        if default is not None:
            return default
        raise ConfigError(f"{run.path}: its {name} cannot be made again ({error}); add --config CONFIG.py") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def prepared_weights(run: Run) -> dict[str, Any]:
    """The shared weights that the run prepared. Raises `JournalError` where there are none."""
    if run.prepared is None or run.prepared.artefact is None:
        raise JournalError(f"{run.path}: it prepared no shared weights; search with prepare=Supernet(space) first")
    return run.artefacts.arrays(run.prepared.artefact)
