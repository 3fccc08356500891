"""The nearest known name, for messages about a name that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'latency_ms'?`, or nothing where no known name is near. Upper and lower case count as equal."""
    by_fold = {entry.casefold(): entry for entry in known}
    near = get_close_matches(name.casefold()[:100], by_fold, n=1, cutoff=0.7)
    return f"; did you mean {by_fold[near[0]]!r}?" if near else ""
