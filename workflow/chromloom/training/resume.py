"""The folder in which a running training keeps its state: one training at a time, ended on request.

What the state is, and how it is taken up, is told by those who train: `loop`, `weave`, `networks`.
"""

import logging
import os
import platform
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from chromloom.errors import ChromloomError
from chromloom.files import LOCK, lock_file

logger = logging.getLogger(__name__)
Training = TypeVar("Training", bound=Callable[..., Any])


class TerminatedError(ChromloomError):
    """Training was asked to end (SIGTERM) before it was done."""


def owns_resume_dir(train: Training) -> Training:
    """Have a training, a function with the keyword `resume_dir`, be the only one in that folder.

    The folder is removed when the training has ended well. A training whose Snakemake was killed
    goes on, and another one would write the same files.

    Raises
    ------
    ChromloomError
        By the function: another process trains there.
    """

    @wraps(train)
    def run(*args, resume_dir: str | Path | None = None, **options):
        if resume_dir is None:
            return train(*args, **options)
        folder = Path(resume_dir)
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_file(folder / LOCK)
        if lock is None:
            raise ChromloomError(
                f"{folder} is in use by {(folder / LOCK).read_text().strip() or 'another process'}"
                ": a training goes on there, as one does whose Snakemake was killed; wait for its "
                "end, or end it by `kill`, which keeps its state, and run again"
            )
        with lock:
            lock.truncate(0)
            lock.write(f"process {os.getpid()} of {platform.node()}\n")
            lock.flush()
            result = train(*args, resume_dir=folder, **options)
            shutil.rmtree(folder, ignore_errors=True)
            return result

    return run  # type: ignore[return-value]


@contextmanager
def asked_to_end() -> Iterator[Callable[[], bool]]:
    """Yield whether this process was sent SIGTERM, which does not end it meanwhile.

    Outside of the main thread, where Python has no signals, the answer is always no.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


def read_state(
    path: Path | None, fingerprint: str, read: Callable[[Path], dict[str, Any]]
) -> dict[str, Any] | None:
    """The state of a killed run, if it is of the same settings, seed and data.

    Parameters
    ----------
    path : Path or None
        Where it would be.
    fingerprint : str
        Of settings, seed and data.
    read : callable
        path -> state, with its `fingerprint`.

    Returns
    -------
    dict or None
        None where there is no state to go on from; the log says why.
    """
    if path is None or not path.exists():
        return None
    try:
        state = read(path)
        kept = state["fingerprint"]
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, …
        logger.warning("%s cannot be read (%s): training starts from the beginning", path, error)
        return None
    if kept != fingerprint:
        logger.warning(
            "%s was left by a run with other settings, seed or data: training starts from the "
            "beginning",
            path,
        )
        return None
    logger.info("going on from %s", path)
    return state


def terminated(state: Path | None) -> TerminatedError:
    """The error of a training that was asked to end, with its state at `state`."""
    kept = f"its state is kept in {state}: run again to go on" if state else "no state was kept"
    return TerminatedError(f"training was ended by SIGTERM; {kept}")
