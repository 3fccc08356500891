"""The provenance of a candidate: the data it was trained on, and the facts for its manifest."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgevolve.data import PARTS, DataError, DataSet, NotFoundError, Splits, fingerprint, load_splits
from edgevolve.data.chosen import features_of
from edgevolve.runs.earlier import parameters
from edgevolve.runs.run import Run


def load_data(run: Run, data_set: DataSet | None = None, number: int | None = None) -> Splits:
    """The arrays that the run used: of `data_set`, or of the one that its journal names.

    Given the `number` of a candidate with a front end of its own, they are that front end's features. Raises
    `DataError` when the journal names a user's own data set, or when the arrays have changed.
    """
    splits = _loaded(data_set_of(run)) if data_set is None else load_splits(data_set)
    if fingerprint(splits) != run.started.data["fingerprint"]:
        raise DataError(f"{run.path}: the data set has changed since the search began")
    return splits if number is None else features_of(run.record(number).recipe, splits)


def _loaded(data_set: DataSet) -> Splits:
    """The arrays of a data set that the journal names; missing files may lie next to the configuration."""
    try:
        return load_splits(data_set)
    except NotFoundError as error:
        raise DataError(f"{error}; add --config CONFIG.py if it is in the folder of the configuration") from error


def data_set_of(run: Run) -> DataSet:
    """The data set that the journal names. Raises `DataError` for a user's own data set."""
    recipe = run.started.config.get("data") or {}
    if not _packaged(recipe):
        raise DataError(f"{run.path}: its data set is defined in its configuration; add --config CONFIG.py")
    try:
        made: DataSet = _made(recipe)
    except TypeError as error:
        raise DataError(f"{run.path}: not a data set of this version ({error})") from error
    return made


def has_packaged_data(run: Run) -> bool:
    """Whether `load_data` finds the run's data set without its configuration."""
    return _packaged(run.started.config.get("data") or {})


def _packaged(recipe: Mapping[str, Any]) -> bool:
    """Whether an object and all its parts are of our classes."""
    within = [value for value in recipe.values() if isinstance(value, Mapping) and "type" in value]
    return recipe.get("type") in PARTS and all(map(_packaged, within))


def _made(recipe: Mapping[str, Any]) -> Any:
    """An object from its JSON form. Raises `TypeError` for parameters that its class does not have."""
    values = parameters(recipe["type"], recipe)
    made = {name: _made(v) if isinstance(v, Mapping) and "type" in v else v for name, v in values.items()}
    return PARTS[recipe["type"]](**made)


def facts(run: Run, number: int) -> dict[str, Any]:
    """What the journal holds about a candidate, as plain JSON values."""
    record, final = run.record(number), run.final(number)
    return {
        "run": run.started.name,
        "number": number,
        "genotype": record.genotype,
        "network": record.description,
        "metrics": dict(record.metrics),
        "intervals": {name: list(ends) for name, ends in record.intervals.items()},
        "devices": [device.model_dump(mode="json") for device in run.devices],
        "seed": run.started.config["seed"],
        "training": run.started.config["training"],
        "epochs": record.epochs,
        "final": None if final is None else final.model_dump(include={"seed", "epochs", "metrics"}),
        "continues": record.continues,
        "recipe": dict(record.recipe),
        "inherits": None if record.inherits is None else asdict(record.inherits),
        "data": {**run.started.config["data"], **run.started.data},
        "versions": run.started.versions,
    }
