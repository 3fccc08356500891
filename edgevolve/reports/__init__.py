"""Tables and progress from a run, in one set of units."""
