"""Weave: numbers and barriers of bins read from signals, woven into a map."""
