"""Variants: what every model says of each of them, beside random ones, and what they hit."""
