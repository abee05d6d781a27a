"""Structural edits of a chromosome: what they do to its bins, and what a model predicts of them."""
