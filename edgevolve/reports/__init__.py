"""Tables, plots, pages and progress of a run, all in the same units."""
