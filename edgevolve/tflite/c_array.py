"""Finds a model in the form in which firmware keeps it: an array of bytes in C or C++."""

import re
from collections.abc import Callable

C_SUFFIXES = frozenset({".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".inc"})
"""The suffixes of files that are read as C."""

MAX_TEXT_BYTES = 2**25
"""The most bytes of such a file, about six for each byte of a model."""

_ASIDE = re.compile(r'//|/\*|"(?:[^"\\\n]|\\.)*"')
"""The start of a comment, or a text in quotes."""

_ARRAY = re.compile(r"[=\]]\s*\{[\s{]*([^{}]*)\}")
_NAME = re.compile(r"(\w+)\s*\[[^\[\]]*\][^\[\]]*$")
_BEFORE = 300
"""Characters before an array in which its name is looked for."""

_LEAST_LETTERS = 48
"""The least length of an array's text: no model is shorter."""

_MOST_NAMES = 4
_AT_ONCE = 2**20
_OCTAL = re.compile(r"\s*0[0-7]+\s*")
_SUFFIX = str.maketrans("", "", "uUlL")


def array_of(text: str, is_model: Callable[[bytes], bool]) -> bytes:
    """The bytes of the one array that is a model; elements are from 0 to 255, hexadecimal, octal or decimal.

    Raises `ValueError` where no array is a model, or several are; it names them.
    """
    plain = _without_comments(text)
    models: list[tuple[int, bytes]] = []
    for array in _ARRAY.finditer(plain):
        if len(array[1]) >= _LEAST_LETTERS:
            try:
                content = _bytes(array[1])
            except ValueError:
                continue
            models += [(array.start(), content)] if is_model(content) else []
    if not models:
        raise ValueError("no array of bytes in it is a TensorFlow Lite file")
    if len(models) > 1:
        names = ", ".join(_name(plain, start) for start, _ in models[:_MOST_NAMES])
        raise ValueError(f"{len(models)} arrays are TensorFlow Lite files ({names}); keep only one")
    return models[0][1]


def _name(text: str, start: int) -> str:
    match = _NAME.search(text, max(start - _BEFORE, 0), start + 1)
    return match[1] if match else "one without a name"


def _without_comments(text: str) -> str:
    """The text with a blank for each comment and each text in quotes."""
    parts, at = [], 0
    while aside := _ASIDE.search(text, at):
        parts.append(text[at : aside.start()])
        end = {"//": "\n", "/*": "*/"}.get(aside[0])
        stop = text.find(end, aside.end()) if end else aside.end()
        if stop < 0:
            return "".join(parts)
        at = stop + (2 if end == "*/" else 0)
        parts.append(" ")
    return "".join([*parts, text[at:]])


def _bytes(elements: str) -> bytes:
    """The elements as bytes. Raises `ValueError` where one is not a number from 0 to 255."""
    content, at = bytearray(), 0
    while at < len(elements):
        comma = elements.find(",", at + _AT_ONCE)
        stop = len(elements) if comma < 0 else comma
        listed = elements[at:stop].split(",")
        if stop == len(elements) and not listed[-1].strip():
            listed.pop()  # a comma may follow the last one
        content += bytes(map(_number, listed))
        at = stop + 1
    return bytes(content)


def _number(element: str) -> int:
    try:
        return int(element, 0)
    except ValueError:
        plain = element.translate(_SUFFIX)
        return int(plain, 8 if _OCTAL.fullmatch(plain) else 0)
