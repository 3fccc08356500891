"""Text that somebody else wrote, for terminals, pages and pictures."""


def printable(text: str) -> str:
    """With `�` for control characters, those that turn the direction of text around, and halves of characters."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def printable_lines(text: str) -> str:
    """The same of each line."""
    return "\n".join(map(printable, text.split("\n")))
