"""Akita: a map of log observed/expected of a window, from its DNA sequence."""
