"""Makes text from others safe for terminals, pages and pictures."""


def printable(text: str) -> str:
    """The text with `�` for control characters, characters that reverse the direction of text, and lone surrogates."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def printable_lines(text: str) -> str:
    """Do the same for each line of a text; line breaks stay."""
    return "\n".join(map(printable, text.split("\n")))
