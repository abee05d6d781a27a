"""Fetching a data set: retries, resumption of partial files, checksum, atomic rename, progress.

Snakemake's storage plugins were not used because `storage("https://…")` inputs are asked for while
the workflow is being planned, which breaks an offline dry run.
"""

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from chromloom.errors import ChromloomError, InputError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 16
TIMEOUT_S = 60
PROGRESS_EVERY_S = 10.0
NOT_WORTH_A_RETRY = (400, 401, 403, 404, 405, 410)


class DownloadError(ChromloomError):
    """No address gave the whole, right file."""


class _WrongBytesError(Exception):
    """What came is complete but not what was asked for; the partial file is thrown away."""


class _GoneError(Exception):
    """The server says that the file is not there; asking again does not help."""


def download(
    urls: str | Sequence[str],
    path: str | Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    attempts: int = 5,
    backoff_s: float = 2.0,
) -> Path:
    """Fetch the first of `urls` that gives the right file to `path`.

    A partial file is kept beside `path` as `{path}.part` over attempts and over runs, and continued
    where the server supports ranges. `path` appears only when size and checksum are right.

    Parameters
    ----------
    urls : str or sequence of str
        Addresses of the same file, in order of preference (primary, archive).
    path : str or Path
        Where it goes; its folder is made.
    checksum : str, optional
        `md5:…`, `sha1:…` or `sha256:…`.
    size : int, optional
        Length in bytes, where the source publishes it.
    attempts : int
        Tries for every address.
    backoff_s : float
        Wait before the second try; it doubles with every further one.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    DownloadError
        When no address gave the right file; the message says what each one answered.
    InputError
        When `checksum` is not of the form above, or there is no address.
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    path = Path(path)
    _check_checksum_form(checksum)
    if not urls:
        raise InputError(
            f"{path.name}: the data set table names no address; put the file at {path}, "
            "or add its url to the table"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    answers = []
    for url in urls:
        for attempt in range(attempts):
            if attempt:
                time.sleep(backoff_s * 2 ** (attempt - 1))
            try:
                _fetch(url, part)
                _verify(part, checksum, size)
            except _GoneError as error:
                answers.append(f"{url}: {error}")
                break
            except (requests.RequestException, OSError, _WrongBytesError) as error:
                answers.append(f"{url}: {error}")
                logger.warning("%s, attempt %d of %d: %s", url, attempt + 1, attempts, error)
                if isinstance(error, _WrongBytesError):
                    part.unlink(missing_ok=True)
            else:
                os.replace(part, path)
                logger.info("%s: %d bytes from %s", path.name, path.stat().st_size, url)
                return path
    raise DownloadError(
        f"{path.name}: none of {len(urls)} addresses gave the file ({'; '.join(answers[-3:])}); "
        f"check the network and the addresses in the data set table, or put the file at {path}"
    )


def _fetch(url: str, part: Path) -> None:
    """Continue `part` from `url` until the server says that it is whole."""
    have = part.stat().st_size if part.exists() else 0
    # `identity`: a transparent gzip layer would break both ranges and the announced length.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code in NOT_WORTH_A_RETRY:
            raise _GoneError(f"HTTP {response.status_code}")
        if response.status_code == 416:  # the part is as long as the file, or longer
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            if total.isdigit() and int(total) == have:
                return
            raise _WrongBytesError("the partial file is longer than the file")
        response.raise_for_status()
        resumed = response.status_code == 206
        length = int(response.headers.get("Content-Length", -1))
        total = length + have * resumed if length >= 0 else None
        got = have if resumed else 0
        started = shown = time.monotonic()
        with part.open("ab" if resumed else "wb") as out:
            for chunk in response.iter_content(CHUNK_BYTES):
                out.write(chunk)
                got += len(chunk)
                if time.monotonic() - shown > PROGRESS_EVERY_S:
                    shown = time.monotonic()
                    _log_progress(part, got, total, got / (shown - started))
    if total is not None and got < total:
        raise OSError(f"the connection ended after {got} of {total} bytes")


def _log_progress(part: Path, got: int, total: int | None, rate: float) -> None:
    share = f" of {total / 1e6:.1f} MB ({got / total:.0%})" if total else " MB"
    logger.info("%s: %.1f%s, %.2f MB/s", part.stem, got / 1e6, share, rate / 1e6)


def _check_checksum_form(checksum: str | None) -> None:
    if checksum and checksum.partition(":")[0] not in ("md5", "sha1", "sha256"):
        raise InputError(
            f"checksum {checksum!r}: expected md5:…, sha1:… or sha256:…; mend the data set table"
        )


def _verify(part: Path, checksum: str | None, size: int | None) -> None:
    found = part.stat().st_size
    if size is not None and found != size:
        raise _WrongBytesError(f"{found} bytes came, {size} were expected")
    if checksum:
        name, _, expected = checksum.partition(":")
        with part.open("rb") as handle:
            digest = hashlib.file_digest(handle, name).hexdigest()
        if digest != expected.lower():
            raise _WrongBytesError(f"{name} is {digest}, {expected} was expected")
