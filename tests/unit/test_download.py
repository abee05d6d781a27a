"""Downloads against a real HTTP server that misbehaves on request."""

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator

import pytest
import requests

from chromloom.download import DownloadError, _refuse_downgrade, download
from chromloom.errors import InputError

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY; `faults` lists what goes wrong with the next requests, first one first."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[str] = []
        self.ranges: list[str | None] = []
        self.etag = '"one"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/map.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        fault = self.server.faults.pop(0) if self.server.faults else ""
        self.server.ranges.append(self.headers.get("Range"))
        if fault.isdigit():
            self.send_error(int(fault))
            return
        if fault == "page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", "20")
            self.end_headers()
            self.wfile.write(b"<html>Log in.</html>")
            return
        if fault == "no-length":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BODY[:1000])
            return
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and fault != "no-ranges" and self.headers.get("If-Range") == self.server.etag:
            start = int(asked[1])
        if start >= len(BODY):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(BODY)}")
            self.end_headers()
            return
        body = BODY[start:] if fault != "wrong" else b"x" * (len(BODY) - start)
        self.send_response(206 if start else 200)
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(body)))
        if start:
            start -= fault == "elsewhere"
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "drop" else body)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        ([], 1),
        (["drop"], 2),
        (["drop", "drop", "500"], 4),
        (["wrong"], 2),
        (["drop", "no-ranges"], 2),
        (["503"], 2),
        (["page"], 2),
        (["drop", "elsewhere"], 3),
    ],
)
def test_the_file_arrives_whole_in_spite_of(server, tmp_path, faults, requests):
    server.faults = list(faults)
    path = download(server.url, tmp_path / "map.bin", checksum=SHA256, backoff_s=0.01)
    assert path.read_bytes() == BODY
    assert len(server.ranges) == requests
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.bin", "map.bin.sha256"]
    assert (tmp_path / "map.bin.sha256").read_text() == f"{SHA256[7:]}  map.bin\n"


def test_a_dropped_connection_is_continued_not_restarted(server, tmp_path):
    server.faults = ["drop"]
    download(server.url, tmp_path / "map.bin", checksum=SHA256, backoff_s=0.01)
    assert server.ranges == [None, f"bytes={len(BODY) // 2}-"]


def leave_part(server, folder, content, **changes):
    """What a killed download leaves."""
    (folder / "map.bin.part").write_bytes(content)
    note = {"url": server.url, "version": server.etag, "total": len(BODY)} | changes
    (folder / "map.bin.part.json").write_text(json.dumps(note))


def test_a_part_left_by_a_killed_run_is_continued(server, tmp_path):
    leave_part(server, tmp_path, BODY[:1000])
    download(server.url, tmp_path / "map.bin", checksum=SHA256)
    assert server.ranges == ["bytes=1000-"]


def test_a_complete_part_is_taken_as_it_is(server, tmp_path):
    leave_part(server, tmp_path, BODY)
    assert download(server.url, tmp_path / "map.bin").read_bytes() == BODY
    assert server.ranges == [f"bytes={len(BODY)}-"]


@pytest.mark.parametrize(
    "changes", [{"url": "http://elsewhere/map.bin"}, {"version": '"zero"'}, {"version": ""}, None]
)
def test_a_part_of_another_file_is_not_continued(server, tmp_path, changes):
    leave_part(server, tmp_path, b"y" * 1000, **(changes or {}))
    if changes is None:
        (tmp_path / "map.bin.part.json").unlink()
    assert download(server.url, tmp_path / "map.bin").read_bytes() == BODY


def test_a_file_that_changes_between_two_tries_is_begun_anew(server, tmp_path):
    server.faults = ["drop"]
    with pytest.raises(DownloadError):
        download(server.url, tmp_path / "map.bin", attempts=1)
    server.etag = '"two"'
    assert download(server.url, tmp_path / "map.bin").read_bytes() == BODY
    assert server.ranges[-1] == f"bytes={len(BODY) // 2}-"


def test_a_server_that_names_no_version_is_asked_from_the_start(server, tmp_path):
    server.etag, server.faults = "", ["drop"]
    assert download(server.url, tmp_path / "map.bin", backoff_s=0.01).read_bytes() == BODY
    assert server.ranges == [None, None]


def test_a_page_in_place_of_the_file_is_refused(server, tmp_path):
    server.faults = ["page"]
    with pytest.raises(DownloadError, match="received a web page"):
        download(server.url, tmp_path / "map.bin", attempts=1)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_unknown_length_needs_a_size_or_a_checksum(server, tmp_path):
    server.faults = ["no-length"]
    with pytest.raises(DownloadError, match="give its size or checksum"):
        download(server.url, tmp_path / "map.bin", attempts=1)
    server.faults = ["no-length"]
    with pytest.raises(DownloadError, match="received 1000 bytes"):
        download(server.url, tmp_path / "map.bin", size=len(BODY), attempts=1)


def test_a_later_download_is_held_to_the_first(server, tmp_path):
    path = download(server.url, tmp_path / "map.bin")
    path.unlink()
    server.faults = ["wrong"]
    with pytest.raises(DownloadError, match=r"as at the first download.*delete .*map\.bin\.sha256"):
        download(server.url, path, attempts=1)
    assert not path.exists()
    assert download(server.url, path).read_bytes() == BODY


def test_an_encrypted_address_must_not_lead_to_an_open_one():
    response = requests.Response()
    response.url, step = "http://example.org/map", requests.Response()
    step.url = "https://example.org/map"
    response.history = [step]
    with pytest.raises(Exception, match="not encrypted"):
        _refuse_downgrade("https://example.org/map", response)
    response.url = "https://archive.example.org/map"
    _refuse_downgrade("https://example.org/map", response)


def test_a_missing_file_is_asked_for_once_and_then_at_the_archive(server, tmp_path):
    server.faults = ["404"]
    path = download([server.url, server.url], tmp_path / "map.bin", checksum=SHA256)
    assert path.read_bytes() == BODY
    assert len(server.ranges) == 2


def test_wrong_bytes_everywhere_leave_nothing_and_say_what_came(server, tmp_path):
    server.faults = ["wrong"] * 3
    with pytest.raises(DownloadError, match=r"map\.bin: none of 1 addresses.*sha256 is"):
        download(server.url, tmp_path / "map.bin", checksum=SHA256, attempts=3, backoff_s=0.01)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_is_noticed_without_a_checksum(server, tmp_path):
    with pytest.raises(DownloadError, match="received more than the expected 17 bytes"):
        download(server.url, tmp_path / "map.bin", size=17, attempts=1)


def test_a_checksum_of_unknown_form_is_refused_before_any_request(server, tmp_path):
    with pytest.raises(InputError, match="expected md5"):
        download(server.url, tmp_path / "map.bin", checksum="crc32:00")
    assert server.ranges == []


def test_a_row_without_an_address_says_where_the_file_goes(tmp_path):
    with pytest.raises(InputError, match=r"no address; put the file at .*map\.bin"):
        download([], tmp_path / "map.bin")
