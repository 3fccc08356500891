"""Suggests the nearest known name in messages about an unknown one."""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


def suggestion(name: str, known: Iterable[str]) -> str:
    """A suggestion, as `; did you mean 'latency_ms'?`, or empty if no known name is near. Case does not matter."""
    by_fold = {entry.casefold(): entry for entry in reversed(list(known))}
    near = get_close_matches(name.casefold()[:100], by_fold, n=1, cutoff=0.7)
    return f"; did you mean {by_fold[near[0]]!r}?" if near else ""


def misspelt(error: BaseException, names: Mapping[str, Any]) -> str:
    """The suggestion for a variable, an import or a keyword that Python did not find; `names` are the module's own."""
    if isinstance(error, NameError):
        return suggestion(error.name or "", names)
    imported = re.match(r"cannot import name '(\w+)'", str(error))
    if isinstance(error, ImportError) and imported:
        return suggestion(imported[1], dir(sys.modules.get(error.name or "")))
    keyword = re.match(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if isinstance(error, TypeError) and keyword and callable(names.get(keyword[1])):
        parameters = list(inspect.signature(names[keyword[1]]).parameters)
        return suggestion(keyword[2], parameters) or f"; it takes {', '.join(parameters)[:200]}"
    return ""
