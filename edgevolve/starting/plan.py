"""Plans a search for data: space, bounds, training, strategy and budget, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from edgevolve.data import Classes, DataError, DataSet, Features, Splits, examine, load_splits, target_of
from edgevolve.data.cost import cost_of
from edgevolve.quantity import size
from edgevolve.runs import ConfigError, SearchConfig
from edgevolve.runs.feasibility import Feasibility, feasibility
from edgevolve.runs.measure import measure
from edgevolve.starting.reading import Reading, by_options
from edgevolve.training import CrossValidate, TrainingSettings
from predictors import board as board_of
from predictors.board import Board
from resource_models import FLASH, MACS
from search_algorithms import NSGA3, Constraint, Objective, Problem, Screened, at_most, maximise, minimise
from search_space import CnnSpace, MlpSpace, MobileSpace, SearchSpace

CANDIDATES = 40
"""The number of networks that should be trained within the time."""
_MACS_A_SECOND = 2e9
"""Multiply-accumulates that a core does in a second when it trains small networks: an assumption."""
_PASSES = 3
"""A training step on an example costs this many inferences (forwards and backwards)."""
_FEW = 500
"""With fewer training examples batches are smaller and signals get one more augmentation."""
_STEPS, _SMALL_STEPS, _EPOCHS = 600, 2000, (4, 60)
"""Steps of a training, those where a size is asked for, as small networks learn slowly, and the bounds of epochs.

Where each network is trained several times, small ones get half the steps.
"""
_FEW_GROUPS, _UNSURE, _FOLDS = 3, 200, 5
"""With fewer groups, or without groups fewer examples for validation, networks are compared by several divisions."""
_FEWEST_MACS = 20_000
_FINAL = 20
"""The network to be exported is trained again for this many times as many epochs."""
_LARGE_SIDE = 64
_MOST_FLASH = 12_000
"""The flash of networks to begin with, front end aside; with less, layers are narrower, by its square root."""
_LEAST_WIDTH = 1 / 6
_IMBALANCED = 10
_WORTH_A_BOUND = 0.01
"""Raw input that takes a smaller share of the arena needs no bound."""
_BEGUN_BLOCKS, _FEWEST_FILTERS = (3, 2, 1), 8
_FEWEST_VALIDATION, _LARGER_SHARE = 30, 0.3
_SAMPLES, _PATIENCE_S = 200, 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A complete search: its configuration, the reason of each field, and notes on the data.

    `problem` lacks the bounds that the board adds; `feasible` is the share of random networks within all bounds; `pick`
    is the network to train and export, in the words of `--pick`.
    """

    reading: Reading
    config: SearchConfig
    problem: Problem
    board: str
    why: Mapping[str, str]
    notes: tuple[str, ...]
    feasible: float
    pick: str

    @property
    def final_epochs(self) -> int:
        """The epochs of the final training."""
        return _FINAL * self.config.training.epochs


def planned(reading: Reading, board: str, minutes: float, cores: int, flash: float | None = None) -> Plan:
    """Choose everything but the reading of the data, for `cores` cores; loads the data.

    With `flash` the search is for the least error in so many bytes, front end included; else for the smallest network
    of many sizes that is as good as the best. Raises `DataError` for data that cannot be trained on, `PredictorError`
    for an unknown board and `ConfigError` if no network fits.
    """
    on = board_of(board)
    room = on.flash.free_bytes
    if flash is not None and flash > room:
        raise ConfigError(f"--flash: board {on.name} leaves {size(room)} of flash, less than {size(flash)}")
    with by_options():
        reading, splits = _validated(reading, load_splits(reading.data))
        notes = examine(reading.data, splits).notes
    why: dict[str, str] = {}
    main = _main(reading, splits, why)
    stages = several_divisions(splits, main.metric, why)
    main = replace(main, metric=stages[0].metrics[0].name) if stages else main
    small = _SMALL_STEPS // 2 if stages else _SMALL_STEPS
    training = _training(reading.data, splits, _STEPS if flash is None else small, why)
    of_front_end = cost_of(splits.front_end).flash_bytes if isinstance(reading.data, Features) else 0
    most_macs = _most_macs(splits, training.epochs * (_FOLDS if stages else 1), minutes, cores)
    problem = _problem(reading, main, on, most_macs, flash, of_front_end, why)
    fields: dict[str, Any] = {
        "data": reading.data,
        "problem": problem,
        "board": board,
        "algorithm": Screened(NSGA3(founders=20, crossover=0.5), children=16),
        "training": training,
        "stages": stages,
        "evaluations": None,
        "minutes": minutes,
    }
    why["algorithm"] = "of 16 proposals that fit, the most promising is trained"
    why["minutes"] = "from `--minutes`; edgevolve FILE --minutes N changes it"
    width = 1.0 if flash is None else min(max((flash - of_front_end) / _MOST_FLASH, _LEAST_WIDTH**2), 1) ** 0.5
    for space, reason in _spaces(reading.data, width):
        config = SearchConfig(space=space, **fields)
        feasible = feasibility(config, _SAMPLES, _PATIENCE_S)
        if feasible.feasible:
            why["space"] = reason
            config = _begun(config, why)
            share = feasible.feasible / feasible.samples
            return Plan(reading, config, problem, board, why, notes, share, "small" if flash is None else "best")
    raise ConfigError(_too_small(on, feasible, flash))


def _validated(reading: Reading, splits: Splits) -> tuple[Reading, Splits]:
    """The reading and splits, with a larger share for validation if the usual one is too few examples to compare by."""
    inner: Any = reading.data.data if isinstance(reading.data, Features) else reading.data
    if len(splits.validation) >= _FEWEST_VALIDATION or not hasattr(inner, "validation_fraction"):
        return reading, splits
    larger: DataSet = replace(inner, validation_fraction=_LARGER_SHARE)
    data = replace(reading.data, data=larger) if isinstance(reading.data, Features) else larger
    try:
        loaded = load_splits(data)
    except DataError:  # too few groups for it
        return reading, splits
    if len(loaded.validation) <= len(splits.validation):
        return reading, splits
    reason = f"a tenth would be {len(splits.validation)} examples, too few to choose a network by"
    return replace(reading, data=data, why={**reading.why, "validation_fraction": reason}), loaded


def _begun(config: SearchConfig, why: dict[str, str]) -> SearchConfig:
    """The configuration with start networks like DS-CNN: the largest within the bounds, and two smaller ones."""
    space = config.space
    if not isinstance(space, CnnSpace) or space.max_blocks <= max(_BEGUN_BLOCKS):
        return config
    for blocks in _BEGUN_BLOCKS:
        for filters in range(space.max_filters, _FEWEST_FILTERS - 1, -1):
            sizes = (filters, blocks), (filters // 2, blocks), (filters // 4, 1)
            start = tuple(space.separable(width, depth, 0) for width, depth in sizes)
            measured = measure(space, config.providers, start[0], beside=config.beside)
            if not config.problem.broken(measured.metrics):
                why["start"] = "like DS-CNN: the largest that keeps the bounds, one half as wide, and a small one"
                return config.with_fields(start=start)
    return config


def several_divisions(splits: Splits, metric: str, why: dict[str, str]) -> tuple[CrossValidate, ...]:
    """The stage that compares networks by several divisions of the data; none if the validation split is enough.

    Examples that are read from files have only one division.
    """
    validation = splits.validation
    named, number, enough = "examples", len(validation), _UNSURE
    if validation.groups is not None:
        named, number, enough = "groups", len(set(validation.groups)), _FEW_GROUPS
    if number >= enough or not isinstance(splits.train.x, np.ndarray):
        return ()
    why["stages"] = f"{_FOLDS} divisions, as validation has few {named}: {number}"
    return (CrossValidate(_FOLDS, metric),)


def _training(data: DataSet, splits: Splits, steps: int, why: dict[str, str]) -> TrainingSettings:
    number = len(splits.train)
    batch = 16 if number < _FEW else 32 if number < 2000 else 64
    epochs = min(max(ceil(steps * batch / number), _EPOCHS[0]), _EPOCHS[1])
    why["training"] = f"{epochs} epochs of {number} examples: some {epochs * ceil(number / batch)} steps a network"
    height, width, _ = data.input_shape
    if isinstance(data, Features):
        augment: tuple[str, ...] = ("mask_time", "mask_frequency", "mixup")
        why["training"] += "; parts are masked and pairs mixed, as voices differ"
    elif min(height, width) > 1:
        augment = ("shift",)
    elif max(height, width) > 1:
        augment = ("time_shift", "mixup") if number < _FEW else ("mixup",)
        why["training"] += "; they are mixed in pairs, as people and machines differ"
    else:
        augment = ()
    return TrainingSettings(epochs, batch, "adamw", 0.005, 0.01, augment=augment)


def _most_macs(splits: Splits, epochs: int, minutes: float, cores: int) -> int:
    """The most multiply-accumulates of a network that trains in its share of the time, to two digits."""
    seconds = minutes * 60 * cores / CANDIDATES
    macs = max(seconds * _MACS_A_SECOND / (_PASSES * epochs * len(splits.train)), _FEWEST_MACS)
    return int(float(f"{macs:.1e}"))


def _problem(
    reading: Reading,
    main: Objective,
    board: Board,
    most_macs: int,
    wanted_flash: float | None,
    front_end: int,
    why: dict[str, str],
) -> Problem:
    arena, flash = board.rooms.values()
    arena_metric = next(iter(board.rooms))
    left = arena.free_bytes - reading.raw_bytes
    begun = min(flash.free_bytes, _MOST_FLASH + ceil(front_end / 1000) * 1000)
    most_flash = begun if wanted_flash is None else int(wanted_flash)
    bounds: list[Constraint] = []
    if reading.raw_bytes > _WORTH_A_BOUND * arena.free_bytes:
        if left <= 0:
            raise ConfigError(
                f"board {board.name}: what it reads takes {size(reading.raw_bytes)} of RAM, "
                f"and only {size(arena.free_bytes)} are free; record shorter, or at a lower rate"
            )
        bounds.append(at_most(arena_metric, left))
        why[arena_metric] = f"{size(reading.raw_bytes)} less than the board's: for what the device reads"
    bounds += [at_most(FLASH.name, most_flash), at_most(MACS.name, most_macs)]
    room = f"; the front end takes {size(front_end)} of it" if front_end else ""
    free = f"to begin with{room}; raise it for accuracy: {size(flash.free_bytes)} are free"
    why[FLASH.name] = free if wanted_flash is None else f"from `--flash`{room}"
    why[MACS.name] = f"so that some {CANDIDATES} networks can be trained in the time"
    sizes = [minimise(FLASH.name)] if wanted_flash is None else []
    return Problem([main, *sizes, minimise(arena_metric)], bounds)


def _main(reading: Reading, splits: Splits, why: dict[str, str]) -> Objective:
    target = splits.target or target_of(reading.data)
    if not isinstance(target, Classes):
        values = splits.train.y[:]
        return minimise(target.metrics[0].name, scale=float(f"{values.std() or 1.0:.2g}"))
    counts = [int((splits.train.y[:] == label).sum()) for label in range(target.number)]
    if max(counts) > _IMBALANCED * max(1, min(counts)):
        why["objectives"] = f"balanced: classes have {min(counts)} to {max(counts)} examples"
        return maximise("balanced_accuracy")
    return minimise("error")


def _spaces(data: DataSet, width: float) -> list[tuple[SearchSpace[Any], str]]:
    """Spaces, the largest first, each with its reason; the first that has a network that fits is used.

    Layers have at most the share `width` of the usual units and filters.
    """
    units, filters = ceil(64 * width), ceil(48 * width)
    shape = tuple(data.input_shape)
    target = target_of(data)
    ends: dict[str, Any] = {"classes": target.number} if isinstance(target, Classes) else {"outputs": target.outputs}
    small = (
        CnnSpace(shape, **ends, max_blocks=2, max_layers=2, max_filters=8, max_dense=1, max_units=16, min_dense=0),
        "small",
    )
    if max(shape[:2]) == 1:
        return [
            (
                MlpSpace(shape, **ends, max_layers=3, max_units=units, min_layers=0),
                "dense layers suit a table",
            ),
            (MlpSpace(shape, **ends, max_layers=1, max_units=16, min_layers=0), "few units: more do not fit the board"),
        ]
    first: tuple[SearchSpace[Any], str] = (
        CnnSpace(shape, **ends, max_blocks=4, max_filters=filters, max_dense=1, max_units=units, min_dense=0),
        "convolutions along time" if min(shape[:2]) == 1 else "convolutions with branches",
    )
    if min(shape[:2]) >= _LARGE_SIDE:
        mobile = MobileSpace(shape, **ends, max_stages=4, depths=(1, 2), max_filters=2 * filters)
        return [
            (mobile, "stages of mobile blocks suit larger images"),
            first,
            (small[0], "more does not fit the board"),
        ]
    return [first, (small[0], "more does not fit the board")]


def _too_small(board: Board, feasible: Feasibility, flash: float | None) -> str:
    lowest = {name: feasible.lowest[name] for name in board.rooms if name in feasible.lowest}
    if flash is not None and lowest.get(FLASH.name, 0) > flash:
        return f"--flash: the smallest of {feasible.samples} small networks takes {lowest[FLASH.name]:.0f} B"
    least = ", ".join(f"{name} at least {value:.0f}" for name, value in lowest.items())
    free = ", ".join(f"{name} {room.free_bytes}" for name, room in board.rooms.items())
    return f"board {board.name} is too small for any of {feasible.samples} small networks: {least}; it leaves {free}"
