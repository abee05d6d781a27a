"""Balancing, expected, obs/exp, contact probability, and the reader of normalised maps."""
