"""Trained networks in int8: a converter fast enough to be part of an evaluation, and LiteRT to run what it writes."""
