"""The features of a data set by a front end: `Mel` of the clips of an `AudioFolder`, `Spectrum` of sensor windows."""

from dataclasses import dataclass

from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import Fittable
from edgevolve.data.scaling import with_front_end
from edgevolve.data.split import DataSet, Splits
from edgevolve.data.target import Classes, Target, target_of


@dataclass(frozen=True, slots=True)
class Features:
    """The examples of `data` through `front_end`, which is fitted to the training split."""

    data: DataSet
    front_end: Fittable

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of the front end's features."""
        height, width, channels = self.front_end.shape
        return height, width, channels

    @property
    def target(self) -> Target:
        """The target of the data set."""
        return target_of(self.data)

    @property
    def classes(self) -> int:
        """The number of classes. Raises `DataError` where the target is values or the input itself."""
        if not isinstance(self.target, Classes):
            raise DataError("Features: its data set has no classes: give a space outputs=data.target.outputs")
        return self.target.number

    def load(self) -> Splits:
        """Load and compute features. Raises `DataError` as the data set, and if it has a front end or other clips."""
        splits = self.data.load()
        if splits.front_end is not None:
            hint = "; normalise=False leaves it out" if hasattr(self.data, "normalise") else ""
            raise DataError(f"Features: the data set has a front end of its own, {splits.front_end.name}{hint}")
        return with_front_end(splits, self.front_end.fitted(splits.train.x))
