"""Downloads against a real HTTP server that misbehaves on request."""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator

import pytest

from chromloom.download import DownloadError, download
from chromloom.errors import InputError

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY; `faults` lists what goes wrong with the next requests, first one first."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[str] = []
        self.ranges: list[str | None] = []

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
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and fault != "no-ranges":
            start = int(asked[1])
        if start >= len(BODY):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(BODY)}")
            self.end_headers()
            return
        body = BODY[start:] if fault != "wrong" else b"x" * (len(BODY) - start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
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
    ],
)
def test_the_file_arrives_whole_in_spite_of(server, tmp_path, faults, requests):
    server.faults = list(faults)
    path = download(server.url, tmp_path / "map.bin", checksum=SHA256, backoff_s=0.01)
    assert path.read_bytes() == BODY
    assert len(server.ranges) == requests
    assert [p.name for p in tmp_path.iterdir()] == ["map.bin"]


def test_a_dropped_connection_is_continued_not_restarted(server, tmp_path):
    server.faults = ["drop"]
    download(server.url, tmp_path / "map.bin", checksum=SHA256, backoff_s=0.01)
    assert server.ranges == [None, f"bytes={len(BODY) // 2}-"]


def test_a_part_left_by_a_killed_run_is_continued(server, tmp_path):
    (tmp_path / "map.bin.part").write_bytes(BODY[:1000])
    download(server.url, tmp_path / "map.bin", checksum=SHA256)
    assert server.ranges == ["bytes=1000-"]


def test_a_complete_part_is_taken_as_it_is(server, tmp_path):
    (tmp_path / "map.bin.part").write_bytes(BODY)
    assert download(server.url, tmp_path / "map.bin", checksum=SHA256).read_bytes() == BODY


def test_a_stale_part_of_other_bytes_is_thrown_away(server, tmp_path):
    (tmp_path / "map.bin.part").write_bytes(b"y" * 1000)
    path = download(server.url, tmp_path / "map.bin", checksum=SHA256, backoff_s=0.01)
    assert path.read_bytes() == BODY


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
    with pytest.raises(DownloadError, match="1048576 bytes came, 17 were expected"):
        download(server.url, tmp_path / "map.bin", size=17, attempts=1)


def test_a_checksum_of_unknown_form_is_refused_before_any_request(server, tmp_path):
    with pytest.raises(InputError, match="expected md5"):
        download(server.url, tmp_path / "map.bin", checksum="crc32:00")
    assert server.ranges == []


def test_a_row_without_an_address_says_where_the_file_goes(tmp_path):
    with pytest.raises(InputError, match=r"no address; put the file at .*map\.bin"):
        download([], tmp_path / "map.bin")
