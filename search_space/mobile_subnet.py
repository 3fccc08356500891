"""Reads Once-for-All's notation of a network: `wid`, `ks`, `e`, `d`, `image_size`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgevolve.spelling import suggestion
from search_space.mobile import Mobile, MobileSpace, percent_of
from search_space.mobile_mixture import fixed
from search_space.mobile_stages import MbConv
from search_space.space import GenotypeError
from search_space.variables import shown

KEYS = ("wid", "ks", "e", "d", "image_size")


def read_subnet(space: MobileSpace, config: Mapping[str, Any]) -> Mobile:
    """The genotype of `config`.

    `d` holds the number of blocks of each stage, 0 for a stage that is left out. `ks` and `e`, kernels and expansions,
    hold a number for each stage, or for each stage as many as the largest of `space.depths`; then those of the blocks
    that the stage has count, and must be equal, as the blocks of a stage are. `wid` is an index into the space's
    widths, 0 for the narrowest; None is the widest. `image_size` is in pixels. What the notation leaves open is as in
    the space's mixture: filters grow, and every other stage halves. Raises `GenotypeError` for a network that is not in
    the space.
    """
    for key in config:
        if key not in KEYS:
            raise GenotypeError(f"{shown(key)}: no such key{suggestion(str(key), KEYS)}")
    lacking = [key for key in KEYS if key not in config]
    if lacking:
        raise GenotypeError(f"{lacking[0]} is missing: a network has {', '.join(KEYS)}")
    base, depths = fixed(space), _numbers("d", config["d"])
    if len(depths) > space.max_stages:
        raise GenotypeError(f"d has {len(depths)} stages, the space {space.max_stages}")
    kernels, expansions = (_of_stages(space, key, config[key], depths) for key in ("ks", "e"))
    stages = tuple(
        replace(stage, block=MbConv(kernel, expansion, False), depth=depth)
        for stage, kernel, expansion, depth in zip(base.stages, kernels, expansions, depths, strict=False)
        if depth
    )
    widest = replace(base, resolution=_size(config["image_size"]), width_percent=_width(space, config["wid"]))
    genotype: Mobile = space.from_json(space.to_json(replace(widest, stages=stages)))
    return genotype


def _numbers(key: str, value: Any) -> list[int]:
    if not isinstance(value, list | tuple) or not value or any(type(one) is not int or one < 0 for one in value):
        raise GenotypeError(f"{key} must be a list of whole numbers, not {shown(value)}")
    return list(value)


def _of_stages(space: MobileSpace, key: str, value: Any, depths: list[int]) -> list[int]:
    """A number for each stage."""
    numbers, most = _numbers(key, value), space.depths[1]
    if len(numbers) == len(depths):
        return numbers
    if len(numbers) != len(depths) * most:
        raise GenotypeError(f"{key} must have {len(depths)} or {len(depths) * most} numbers, not {len(numbers)}")
    per_stage = []
    for stage, depth in enumerate(depths):
        own = set(numbers[stage * most : stage * most + max(depth, 1)])
        if len(own) > 1:
            raise GenotypeError(
                f"{key}: stage {stage + 1} has {sorted(own)}: blocks of a stage are equal in this space"
            )
        per_stage.append(own.pop())
    return per_stage


def _size(value: Any) -> int:
    """The size from a number, or from a list of one number."""
    return _numbers("image_size", value if isinstance(value, list | tuple) else [value])[0]


def _width(space: MobileSpace, place: Any) -> int:
    widths = sorted(space.widths)
    if place is None:
        return percent_of(widths[-1])
    if type(place) is not int or not 0 <= place < len(widths):
        raise GenotypeError(f"wid must be from 0 to {len(widths) - 1}, a place among {widths}, not {shown(place)}")
    return percent_of(widths[place])
