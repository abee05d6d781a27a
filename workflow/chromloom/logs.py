"""Logging set-up for scripts; library modules only ask for `logging.getLogger(__name__)`."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chromloom.errors import explain

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def setup_logging(path: str | Path | None = None, *, level: int = logging.INFO) -> None:
    """Send the library's log to the terminal (stderr) and, when `path` is given, to that file.

    Parameters
    ----------
    path : str or Path, optional
        Log file; its folder is made, an older file is replaced.
    level : int
        Lowest level that is shown.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w"))
    formatter = logging.Formatter(FORMAT, datefmt="%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    logger = logging.getLogger("chromloom")
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        old.close()
    for handler in handlers:
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Log a script's work to `path`; an error raised on purpose ends it as one clear line.

    Parameters
    ----------
    path : str or Path
        Log file of the job.

    Raises
    ------
    SystemExit
        In place of an error that is no fault of the program, whose message has been logged: a
        `ChromloomError`, and what the machine refuses (a full disk, a folder that cannot be written
        to, memory). Any other exception passes with its traceback, which is also in the log.
    """
    setup_logging(path)
    logger = logging.getLogger("chromloom")
    try:
        yield
    except Exception as error:
        reason = explain(error)
        if reason is None:
            logger.exception("unexpected error")
            raise
        logger.error("%s", reason)
        raise SystemExit(1) from None
