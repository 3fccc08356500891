"""C names that begin with the model's name, so that the files of several models link into one program."""

import re

_LONGEST = 40
_TAKEN = (
    "answer",
    "arena_size",
    "front_end",
    "golden",
    "golden_check",
    "input",
    "model_data",
    "networks",
    "op_resolver",
)
"""Names of the bundle's own files, whatever the model."""

_TEXT_OR_NAME = re.compile(
    r'"(?:\\.|[^"\\\n])*"'
    r"|\b(?:k(?!TfLite)[A-Z]\w*|front_end\w*|answer_\w+|read_input|OpResolver|RegisterOperators|EDGEVOLVE_\w+_H_"
    r"|RawValue|Network|(?:classify|estimate|anomaly_score|set_up|run_stored|arena_used|golden_agreeing"
    r"|switch_network|network_in_use|pick_network|battery_budget_uj)(?=\())\b(?!\.h)"
)
"""A string literal, which stays as it is, or one of our names."""


def prefix(name: str) -> str:
    """The prefix of the names, such as `digits_aging_78_`; empty without a name."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII)[:_LONGEST].strip("_")
    if not plain:
        return "model_" if name else ""
    return f"{'' if plain[0].isalpha() else 'model_'}{plain}_"


def prefixed(text: str, name: str) -> str:
    """The text of a C file with the prefix of the model `name` before each of our names."""
    begin = prefix(name)
    return _TEXT_OR_NAME.sub(lambda match: match[0] if match[0][0] == '"' else f"{begin}{match[0]}", text)


def plain_name(name: str) -> str:
    """The model's name in letters, digits and underscores, beginning with a letter: `digits_aging_78`.

    It never equals the name of one of the bundle's files, in any case of letters.
    """
    plain = prefix(name).rstrip("_") or "model"
    return f"{plain}_model" if plain.casefold() in _TAKEN else plain
