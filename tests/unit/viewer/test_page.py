"""The page in a browser without a window: maps and tracks are in its picture."""

import re
import shutil
import subprocess
import threading

import matplotlib.image
import numpy as np
import pytest

from chromloom.viewer.catalogue import Catalogue
from chromloom.viewer.server import make_server

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
TRACK, HEAT, BLUE = (0, 114, 178), (153, 0, 13), (33, 102, 172)  # colours of the page


@pytest.fixture(scope="module")
def photograph(study, tmp_path_factory):
    """A function that opens the page at a view: its picture, (h, w, 3), and pixels per map."""
    if not BROWSER:
        pytest.skip("no Chromium to open the page with: apt install chromium")
    folder = tmp_path_factory.mktemp("pictures")

    def photograph(view):
        picture = folder / "page.png"
        command = [
            *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,800"),
            *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000"),
            *(f"--screenshot={picture}", "--dump-dom"),
        ]
        address = f"http://localhost:{server.server_port}/#{view}"
        page = subprocess.run([*command, address], capture_output=True, text=True, timeout=180)
        ready = re.search('data-ready="([0-9,]*)"', page.stdout)
        assert ready, page.stdout[-300:] + page.stderr[-300:]
        pixels = (matplotlib.image.imread(picture)[..., :3] * 255).round().astype(int)
        return pixels, [int(n) for n in ready[1].split(",")]

    with make_server(Catalogue(study)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield photograph
        server.shutdown()


def count(pixels, colour, tolerance=0):
    return int((np.abs(pixels - colour).max(axis=-1) <= tolerance).sum())


def test_maps_and_tracks_are_shown_and_taken_away(photograph):
    pixels, per_map = photograph("")
    assert len(per_map) == 2  # observed and predicted
    assert min(per_map) > 10_000
    assert count(pixels, TRACK) > 1000
    strong = count(pixels, HEAT, 60)
    assert strong > 2000
    # Both maps lie on the diagonal of their squares: each strong pixel has one beside it.
    columns = np.flatnonzero((np.abs(pixels - HEAT).max(axis=-1) <= 60).any(axis=0))
    assert columns[-1] - columns[0] > 500

    pixels, per_map = photograph("chr1:600000-700000&map0,map4&")
    assert len(per_map) == 2
    assert count(pixels, TRACK) == 0
    assert count(pixels, BLUE, 60) > 1000  # the difference is negative everywhere
