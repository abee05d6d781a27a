"""Fetching a data set: retries, resumption of partial files, checksums, atomic rename, progress.

What came before is trusted only as far as it can be told to be the same: a partial file is bound to
its address and to the version that the server named, and a file that is fetched again must have the
bytes of the first time, whose checksum lies beside it.

Snakemake's storage plugins were not used because `storage("https://…")` inputs are asked for while
the workflow is being planned, which breaks an offline dry run.
"""

import hashlib
import itertools
import json
import logging
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from chromloom.errors import ChromloomError, InputError
from chromloom.files import write_json

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

    A partial file is kept beside `path` as `{path}.part` over attempts and over runs, with its
    address and version in `{path}.part.json`. It is continued where the server says that the file
    is still the same, and begun anew otherwise. `path` appears only when size and checksum are
    right. `{path}.sha256` (as of `sha256sum`) keeps the checksum of the first time, to which later
    downloads are held.

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
            f"{path.name}: the data set table has no address; put the file at {path}, "
            "or add its url to the table"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    lock = path.with_name(path.name + ".sha256")
    answers = []
    for url in urls:
        for attempt in range(attempts):
            if attempt:
                time.sleep(backoff_s * 2 ** (attempt - 1))
            try:
                _fetch(url, part, size, known=bool(checksum or size or lock.exists()))
                digest = _verify(part, checksum, size, lock)
            except _GoneError as error:
                answers.append(f"{url}: {error}")
                break
            except (requests.RequestException, OSError, _WrongBytesError) as error:
                answers.append(f"{url}: {error}")
                logger.warning("%s, attempt %d of %d: %s", url, attempt + 1, attempts, error)
                if isinstance(error, _WrongBytesError):
                    _forget(part)
            else:
                os.replace(part, path)
                _forget(part)
                lock.write_text(f"{digest}  {path.name}\n")
                logger.info("%s: %d bytes from %s", path.name, path.stat().st_size, url)
                return path
    raise DownloadError(
        f"{path.name}: none of {len(urls)} addresses gave the file ({'; '.join(answers[-3:])}); "
        f"check the network and the addresses in the data set table, or put the file at {path}"
    )


def _note_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


def _version_of(response: requests.Response) -> str:
    """What tells one version of the file from another, as `If-Range` has it; "" if nothing."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _resumable(url: str, part: Path) -> dict:
    """The note of a partial file that may be continued from `url`; others are thrown away."""
    try:
        note = json.loads(_note_of(part).read_text())
        if part.exists() and note["url"] == url and note["version"]:
            return note
    except (OSError, ValueError, KeyError, TypeError):
        pass
    _forget(part)
    return {}


def _fetch(url: str, part: Path, size: int | None, *, known: bool) -> None:
    """Continue `part` from `url` until the server says that it is whole.

    `known` tells that a size or a checksum is there to judge the file by.
    """
    note = _resumable(url, part)
    have = part.stat().st_size if note else 0
    # `identity`: a transparent gzip layer would break both ranges and the announced length.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": note["version"]}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        _refuse_downgrade(url, response)
        if response.status_code in NOT_WORTH_A_RETRY:
            raise _GoneError(f"HTTP {response.status_code}")
        if response.status_code == 416:  # the part is as long as the file, or longer
            whole = response.headers.get("Content-Range", "").rpartition("/")[2]
            if whole.isdigit() and int(whole) == have == note.get("total"):
                return
            raise _WrongBytesError("the partial file is longer than the file")
        response.raise_for_status()
        resumed = response.status_code == 206
        if resumed:
            total = _continued(response, have, note)
        else:
            have, length = 0, response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            if (
                total is None
                and response.headers.get("Transfer-Encoding") != "chunked"
                and not known
            ):
                raise _GoneError(
                    "the server does not state the length of the file; give its size or "
                    "checksum in the data set table"
                )
            write_json(
                {"url": url, "version": _version_of(response), "total": total}, _note_of(part)
            )
        most = size if size is not None else total
        got, started = have, time.monotonic()
        shown = started
        with part.open("ab" if resumed else "wb") as out:
            for chunk in response.iter_content(CHUNK_BYTES):
                if got == 0:
                    _refuse_page(part, response, chunk)
                got += len(chunk)
                if most is not None and got > most:
                    raise _WrongBytesError(f"received more than the expected {most} bytes")
                out.write(chunk)
                if time.monotonic() - shown > PROGRESS_EVERY_S:
                    shown = time.monotonic()
                    _log_progress(part, got, total, (got - have) / (shown - started))
    if total is not None and got < total:
        raise OSError(f"the connection ended after {got} of {total} bytes")


def _refuse_downgrade(url: str, response: requests.Response) -> None:
    """An encrypted address must not lead to one that is not."""
    steps = [url, *(step.url for step in response.history), response.url]
    for step, following in itertools.pairwise(steps):
        if step.startswith("https:") and not following.startswith("https:"):
            raise _GoneError(f"{step} leads to {following}, which is not encrypted")


def _continued(response: requests.Response, have: int, note: dict) -> int | None:
    """Length of the whole file, where the answer goes on at byte `have` of the same file."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    total = int(found[2]) if found and found[2] != "*" else None
    version = _version_of(response)
    if not found or int(found[1]) != have or total != note["total"]:
        raise _WrongBytesError("the server continued at another position, or with another file")
    if version and version != note["version"]:
        raise _WrongBytesError("the file has changed on the server since the download started")
    return total


def _refuse_page(part: Path, response: requests.Response, chunk: bytes) -> None:
    kind = response.headers.get("Content-Type", "")
    start = chunk.lstrip()[:15].lower()
    if not part.name.endswith((".html.part", ".htm.part")) and (
        kind.startswith("text/html") or start.startswith((b"<!doctype html", b"<html"))
    ):
        raise _WrongBytesError("received a web page instead of the file")


def _log_progress(part: Path, got: int, total: int | None, rate: float) -> None:
    share = f" of {total / 1e6:.1f} MB ({got / total:.0%})" if total else " MB"
    logger.info("%s: %.1f%s, %.2f MB/s", part.stem, got / 1e6, share, rate / 1e6)


def _check_checksum_form(checksum: str | None) -> None:
    if checksum and checksum.partition(":")[0] not in ("md5", "sha1", "sha256"):
        raise InputError(
            f"checksum {checksum!r}: expected md5:…, sha1:… or sha256:…; correct the data set table"
        )


def _verify(part: Path, checksum: str | None, size: int | None, lock: Path) -> str:
    """Check a whole file; returns its sha256."""
    found = part.stat().st_size
    if size is not None and found != size:
        raise _WrongBytesError(f"received {found} bytes, expected {size}")
    expected = [checksum] if checksum else []
    if lock.exists():
        expected.append(f"sha256:{lock.read_text().split()[0]}")
    digests = {"sha256": ""} | {item.partition(":")[0]: "" for item in expected}
    for name in digests:
        with part.open("rb") as handle:
            digests[name] = hashlib.file_digest(handle, name).hexdigest()
    for item in expected:
        name, _, digest = item.partition(":")
        if digests[name] != digest.lower():
            first = (
                ""
                if item == checksum
                else (
                    f" as at the first download; if the file was replaced on purpose, delete {lock}"
                )
            )
            raise _WrongBytesError(f"{name} is {digests[name]}, {digest} was expected{first}")
    return digests["sha256"]
