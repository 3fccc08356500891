"""Spec sheets: the known figures of a device, and their sources. A sheet is a YAML file that is checked when read."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edgevolve.quantity import quantity
from edgevolve.spelling import suggestion
from predictors.files import is_yaml, read_yaml
from predictors.models import MODELS, Kind
from predictors.values import PredictorError
from resource_models.graph_features import KINDS

FOLDER = Path(__file__).parent / "devices"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Words = Annotated[str, Field(min_length=1, max_length=2000)]


class Provenance(StrEnum):
    """The provenance of a figure, from the most certain to the least."""

    MEASURED = "measured"
    PUBLISHED = "published"
    ASSUMED = "assumed"
    RUMOURED = "rumoured"


class Figure(BaseModel):
    """A number of a sheet; its unit is in its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = Field(gt=0, allow_inf_nan=False)
    provenance: Provenance
    source: Words

    @field_validator("value", mode="before")
    @classmethod
    def _no_bool(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a figure is a number")
        return quantity(value) if isinstance(value, str) else value

    @field_validator("value")
    @classmethod
    def _within_reason(cls, value: float) -> float:
        if not 1e-30 <= value <= 1e30:
            raise ValueError("a figure is from 1e-30 to 1e30")
        return value


def weakest(figures: Iterable[Figure]) -> Provenance:
    """The least certain provenance among the figures."""
    order = list(Provenance)
    return max((figure.provenance for figure in figures), key=order.index, default=order[0])


class Sheet(BaseModel):
    """A device: its name, how it is predicted, and its figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: Kind
    description: Words
    options: dict[str, str] = {}
    figures: dict[str, Figure] = {}

    @field_validator("figures", mode="before")
    @classmethod
    def _no_null(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _complete(self) -> "Sheet":
        model = MODELS[self.kind]
        missing = [name for name in model.needs if name not in self.figures]
        if missing:
            raise ValueError(f"a {self.kind} device needs the figure {missing[0]}")
        for name in self.figures if model.by_operator else ():
            operators = name.removeprefix(f"{model.by_operator}_")
            if operators not in (name, *KINDS):
                raise ValueError(f"{name}: no class of operators is called {operators}{suggestion(operators, KINDS)}")
        left = [name for name in model.options if name not in self.options]
        if left:
            raise ValueError(f"a {self.kind} device needs the option {left[0]}")
        return self

    def reads(self, figure: str) -> bool:
        """Whether predictions of this kind of device use the figure; others are for readers, or for front ends."""
        model = MODELS[self.kind]
        return figure in model.needs or bool(model.by_operator and figure.startswith(f"{model.by_operator}_"))

    def __getitem__(self, figure: str) -> float:
        """The value of a figure. Raises `PredictorError` if the sheet has none."""
        if figure not in self.figures:
            raise PredictorError(f"{self.name} has no figure {figure}")
        return self.figures[figure].value

    @property
    def weakest(self) -> Provenance:
        """The least certain provenance among the figures, which is that of a prediction."""
        return weakest(self.figures.values())


def read_sheet(path: Path | str) -> Sheet:
    """Read and check a sheet. Raises `PredictorError`, in one line that says what and where."""
    return read_yaml(path, Sheet, "sheet")


@cache
def sheets() -> Mapping[str, Sheet]:
    """The packaged sheets by name."""
    packaged = [read_sheet(path) for path in sorted(FOLDER.glob("*.yaml"))]
    return {sheet.name: sheet for sheet in packaged}


def sheet(name: str) -> Sheet:
    """A packaged sheet by name, or the sheet in a YAML file. Raises `PredictorError`."""
    if name in sheets():
        return sheets()[name]
    if is_yaml(name):
        return read_sheet(name)
    known = ", ".join(sheets())
    raise PredictorError(
        f"unknown device {name[:100]!r}: give a .yaml file, or one of {known}{suggestion(name, sheets())}"
    )
