"""Blocks that models share, and tensors from files that others wrote."""
