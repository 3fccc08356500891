"""Names in C that begin with the model's, so that the files of several models link into one program."""

import re

_LONGEST = 40
_TEXT_OR_NAME = re.compile(
    r'"(?:\\.|[^"\\\n])*"'
    r"|\b(?:k(?!TfLite)[A-Z]\w*|front_end\w*|answer_\w+|read_input|OpResolver|RegisterOperators|EDGEVOLVE_\w+_H_)\b(?!\.h)"
)
"""A string literal, which stays as it is, or a name of ours."""


def prefix(name: str) -> str:
    """What the names begin with: `digits_aging_78_`; nothing without a name."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII)[:_LONGEST].strip("_")
    if not plain:
        return "model_" if name else ""
    return f"{'' if plain[0].isalpha() else 'model_'}{plain}_"


def prefixed(text: str, name: str) -> str:
    """The text of a C file with the prefix of the model `name` before each of our names."""
    begin = prefix(name)
    return _TEXT_OR_NAME.sub(lambda found: found[0] if found[0][0] == '"' else f"{begin}{found[0]}", text)
