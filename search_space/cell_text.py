"""Reads the notation of DARTS and of TI's Tiny ML NAS: a call with lists, pairs and ranges. Nothing is executed."""

import ast
from typing import Any

from search_space.space import GenotypeError
from search_space.variables import shown

_LONGEST = 100_000


def read_call(text: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of `Genotype_CNN(normal=[...], normal_concat=range(1, 5), ...)`, with or without `NAME = `.

    A range becomes a list. Raises `GenotypeError` unless there are exactly these `names`.
    """
    if len(text) > _LONGEST:
        raise GenotypeError(f"the text is no genotype: it has {len(text)} characters")
    try:
        (statement,) = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _refusal(names, text) from None
    call = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    if not isinstance(call, ast.Call) or call.args or {keyword.arg for keyword in call.keywords} != set(names):
        raise _refusal(names, text)
    return {keyword.arg or "": _value(keyword.arg, keyword.value) for keyword in call.keywords}


def _refusal(names: tuple[str, ...], text: str) -> GenotypeError:
    return GenotypeError(f"expected Genotype_CNN({', '.join(f'{name}=...' for name in names)}), got {shown(text)}")


def _value(name: str | None, node: ast.expr) -> Any:
    try:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            ends = [ast.literal_eval(end) for end in node.args]
            if len(ends) in (1, 2) and all(type(end) is int and 0 <= end < 1000 for end in ends):
                return list(range(*ends))
            raise ValueError
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise GenotypeError(f"{name}: expected a list, got {ast.unparse(node)[:60]}") from None
