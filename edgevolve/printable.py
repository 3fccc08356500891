"""Text that somebody else wrote, for terminals, pages and pictures."""


def printable(text: str) -> str:
    """The text with `�` for control characters, characters that reverse the direction of text, and half characters."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def printable_lines(text: str) -> str:
    """The same for each line of a text."""
    return "\n".join(map(printable, text.split("\n")))
