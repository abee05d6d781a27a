"""The exceptions that chromloom raises on purpose.

A message names the thing, its value, what was expected and the remedy, in that order.
"""


class ChromloomError(Exception):
    """Base of every exception raised on purpose; scripts show it without a traceback."""


class InputError(ChromloomError):
    """A file, sheet, config value or region that the user gave cannot be used."""


class CheckpointError(InputError):
    """A trained model is missing, damaged or of another shape than asked for."""


class ConvergenceError(ChromloomError):
    """An iterative method (balancing, training) did not reach its tolerance."""
