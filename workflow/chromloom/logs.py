"""Logging set-up for scripts; library modules only ask for `logging.getLogger(__name__)`."""

import logging
import sys
import time
from pathlib import Path

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
