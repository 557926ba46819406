"""Formats of models' outputs: a reader next to its writer in each file."""
