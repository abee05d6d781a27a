"""The exceptions that chromloom raises on purpose.

A message names the thing, its value, what was expected and the remedy, in that order.
"""

import difflib
import errno
import re
from collections.abc import Iterable

# What the machine may refuse, and the remedy.
REFUSALS = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "the quota of the disk is used up: free some space and run again",
    errno.EROFS: "the disk is read-only: run in a folder that can be written to",
    errno.EACCES: "this user may not read or write there: change its permissions, or run elsewhere",
    errno.EPERM: "this user may not read or write there: change its permissions, or run elsewhere",
    errno.ENAMETOOLONG: "choose shorter names of samples and models, or a shorter path",
    errno.EMFILE: "more files are open than may be: raise the limit (`ulimit -n`)",
    errno.EIO: "the disk cannot be read or written",
}

# How libraries say that they were given no memory: torch, pandas, the C library, the loader of
# shared objects, and Python, whose new thread finds no room for its stack.
OUT_OF_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "Cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
)


class ChromloomError(Exception):
    """Base of every exception raised on purpose; scripts show it without a traceback."""


class InputError(ChromloomError):
    """A file, sheet, config value or region that the user gave cannot be used."""


class CheckpointError(InputError):
    """A trained model is missing, damaged or of another shape than asked for."""


class ConvergenceError(ChromloomError):
    """An iterative method (balancing, training) did not reach its tolerance."""


def explain(error: BaseException) -> str | None:
    """One line for an error that is no fault of the program; None for others.

    These are a `ChromloomError` and what the machine refuses: memory, room, permissions.
    HDF5, parquet and torch tell the latter in the text of errors of their own. What failed for lack
    of memory is no damaged file, though its reader may say so.
    """
    on_purpose = isinstance(error, ChromloomError)
    cause = error.__cause__ if on_purpose else error
    while cause:
        if said := _lack_of_memory(cause):
            return said
        cause = cause.__cause__
    if on_purpose:
        return str(error)
    text = " ".join(str(error).split())
    number = getattr(error, "errno", None)
    if number is None and (found := re.search(r"errno[ =]+(\d+)|\[Errno (\d+)\]", text)):
        number = int(found[1] or found[2])
    return f"{text}; {REFUSALS[number]}" if number in REFUSALS else None


def _lack_of_memory(error: BaseException) -> str | None:
    """What to do where memory was refused, be it that of a new thread; None for other errors."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
        return (
            f"memory ran out ({text or 'MemoryError'}); give the job more (a limit of the shell: "
            "`ulimit -v`, of a cluster: `--set-resources RULE:mem_mb=…`), or run fewer at once"
        )
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like another, whatever its case; "" where none is."""
    lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), list(lower), n=1)
    return lower[near[0]] if near else ""
