"""Predicted maps: what predicts them, and the files they are written to."""
