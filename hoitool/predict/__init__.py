"""Predictions: of a model over images, or of feature stores alone (zero_shot.py)."""
