"""A server of one study for the browser on the same machine; it only reads.

It listens on 127.0.0.1, answers requests for this address alone (a page of another site that has
its own name point here is refused), and knows the layers of the catalogue by their ids: no request
names a path.
"""

import json
import logging
import webbrowser
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from chromloom.errors import InputError
from chromloom.viewer.catalogue import Catalogue
from chromloom.viewer.read import list_variants, read_features, read_layer, read_track

logger = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("page.html")
MAX_BINS = 1024  # of a square or a track: 4 MB


def view(
    study: str | Path,
    *,
    genes: str | Path | None = None,
    port: int = 8890,
    open_browser: bool = True,
) -> None:
    """Show a study in the browser until it is interrupted (Ctrl-C).

    Parameters
    ----------
    study, genes
        As of `Catalogue`.
    port : int
        0 for any that is free.
    open_browser : bool
        Otherwise the address is logged alone.
    """
    with make_server(Catalogue(study, genes), port) as server:
        address = f"http://localhost:{server.server_port}/"
        logger.info("%s is shown at %s until Ctrl-C", study, address)
        if open_browser:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            logger.info("ended")


def make_server(catalogue: Catalogue, port: int = 0) -> ThreadingHTTPServer:
    """A server of a catalogue, for this machine alone; `serve_forever` starts it.

    Raises
    ------
    InputError
        The port is taken.
    """
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, catalogue))
    except OSError as error:
        raise InputError(
            f"port {port} cannot be listened on ({error.strerror}); choose another: --port 0 takes "
            "any that is free"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, catalogue: Catalogue, *args) -> None:
        self.catalogue = catalogue
        super().__init__(*args)

    def do_GET(self) -> None:
        if (self.headers.get("Host") or "").partition(":")[0] not in ("localhost", "127.0.0.1"):
            return self._answer(b"ask for localhost", "text/plain", HTTPStatus.FORBIDDEN)
        url = urlsplit(self.path)
        try:
            return self._answer(*self._find(url.path.strip("/"), dict(parse_qsl(url.query))))
        except (KeyError, ValueError) as error:
            reason = f"{self.path} is not understood: {error}"
            return self._answer(reason.encode(), "text/plain", HTTPStatus.NOT_FOUND)
        except (OSError, InputError) as error:  # a file of a study that is being run again
            return self._answer(str(error).encode(), "text/plain", HTTPStatus.SERVICE_UNAVAILABLE)

    def _find(self, path: str, query: dict[str, str]) -> tuple:
        """Content and type of an answer, and further headers."""
        known = self.catalogue
        if path == "":
            return PAGE.read_bytes(), "text/html; charset=utf-8"
        if path == "catalogue":
            return _json(known.describe())
        what, _, key = path.partition("/")
        if what == "variants":
            return _json(list_variants(known.features[key]))
        chrom, start, end = query["chrom"], int(query["start"]), int(query["end"])
        n = int(query.get("bins", 0))
        if not (0 <= start < end and 0 <= n <= MAX_BINS):
            raise ValueError(f"a stretch is 0 <= start < end, in at most {MAX_BINS} bins")
        if what == "map":
            values, first, resolution = read_layer(known.maps[key], chrom, start, end, max(n, 1))
            headers = {"X-Start": first, "X-Resolution": resolution, "X-Bins": len(values)}
            content = values.astype("<f4").tobytes()
            return content, "application/octet-stream", HTTPStatus.OK, headers
        if what == "track":
            return _json(read_track(known.tracks[key], chrom, start, end, max(n, 1)))
        if what == "features":
            return _json(read_features(known.features[key], chrom, start, end))
        raise KeyError(what)

    def _answer(
        self,
        content: bytes,
        type: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: dict | None = None,
    ) -> None:
        self.send_response(status)
        # Nothing but this server is asked by the page, and nothing outlives a change of the study.
        policy = "default-src 'self' 'unsafe-inline'"
        always = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
        named = {"Content-Type": type, "Content-Length": len(content), **always, **(headers or {})}
        for name, value in named.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args) -> None:
        logger.debug(format, *args)


def _json(answer: object) -> tuple[bytes, str]:
    return json.dumps(answer).encode(), "application/json"
