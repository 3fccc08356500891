"""The colours of terminal, pictures and pages.

Okabe and Ito's palette, which people with any colour vision can tell apart; colour scales are viridis, reversed on a
dark page.
"""

FRONT = "#d55e00"
"""The front and the best candidate."""

FAINT = "#8c8c8c"
"""Dominated and rejected candidates, and bounds."""

FAILED = "#cc79a7"

SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Colours of several runs, in order."""

SCALE = "viridis"
"""The colour scale of a metric."""
