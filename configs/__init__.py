"""Searches that come with edgevolve; `edgevolve digits_aging` runs one by name."""
