"""A HiGlass view of maps side by side, with tracks above and loops upon them.

HiGlass shows what its server has ingested, by the name (`uid`) that it was given there. So a view
is two files: the view configuration, and a shell script that ingests every file under the name by
which the configuration asks for it (`higlass-manage ingest`, or a server's `ingest_tileset`).
Format: https://docs.higlass.io/view_config.html
"""

import re
import shlex
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from chromloom.errors import InputError
from chromloom.files import atomic_path, write_json
from chromloom.genome.assembly import read_chromsizes
from chromloom.genome.regions import parse_region

SERVER = "http://localhost:8888/api/v1"
MAP_COLOURS = ["white", "rgba(245,166,35,1.0)", "rgba(208,2,27,1.0)", "black"]
DIFFERENCE_COLOURS = ["rgba(33,102,172,1.0)", "white", "rgba(178,24,43,1.0)"]
WIDTH, HEIGHT = 12, 9  # of HiGlass' page, in its units
# file type, data type and track type of a suffix
KINDS = {
    ".mcool": ("cooler", "matrix", "heatmap"),
    ".bw": ("bigwig", "vector", "horizontal-bar"),
    ".bedpe": ("bedpe", "2d-rectangle-domains", "2d-rectangle-domains"),
}


def write_view(
    path: str | Path,
    maps: Mapping[str, str | Path],
    tracks: Mapping[str, str | Path] | None = None,
    loops: Mapping[str, str | Path] | None = None,
    *,
    chromsizes: str | Path,
    region: str,
    differences: tuple[str, ...] = (),
    server: str = SERVER,
) -> None:
    """Write a view configuration, and beside it the script that ingests its files.

    Parameters
    ----------
    path : str or Path
        `….json`; the script is `….sh`.
    maps, tracks, loops : mapping str -> path
        Name -> `.mcool`, `.bw`, `.bedpe`. Names are shown, and are the `uid` under which files are
        ingested; all must differ. Maps stand side by side and move together.
    chromsizes : str or Path
        Chromosome sizes of the maps, in their order: HiGlass lays chromosomes end to end.
    region : str
        `chrom` or `chrom:start-end`, shown at first.
    differences : tuple of str
        Maps with values of both signs: linear, diverging colours.
    server : str
        Of the tiles.

    Raises
    ------
    InputError
        No map, more than 6 of them, a name twice or not of letters, digits, `.`, `_` and `-`, a
        file of another kind, a region that is not in the chromosome sizes.
    """
    groups = [maps, tracks or {}, loops or {}]
    files = [(name, Path(file)) for group in groups for name, file in group.items()]
    _check(files, maps)
    sizes = read_chromsizes(chromsizes)
    offsets = dict(zip(sizes.index, accumulate(sizes, initial=0)))
    chrom, start, end = parse_region(region, sizes.to_dict())
    domain = [int(offsets[chrom] + start), int(offsets[chrom] + end)]

    def track(name: str, file: str | Path, view: str, **options: Any) -> dict[str, Any]:
        kind = KINDS[Path(file).suffix][2]
        place = {"server": server, "tilesetUid": name, "uid": f"{view}.{name}", "type": kind}
        return place | {"options": {"name": name, **options}}

    views = []
    for number, (name, file) in enumerate(maps.items()):
        style = {"colorRange": MAP_COLOURS, "heatmapValueScaling": "log"}
        if name in differences:
            style = {"colorRange": DIFFERENCE_COLOURS, "heatmapValueScaling": "linear"}
        view = f"view{number}"
        contents = [track(name, file, view, **style)]
        contents += [track(*loop, view, flipDiagonal="copy") for loop in (loops or {}).items()]
        above = [track(*one, view) | {"height": 40} for one in (tracks or {}).items()]
        center = {"type": "combined", "uid": f"{view}.center", "contents": contents}
        width = WIDTH // len(maps)
        views.append(
            {
                "uid": view,
                "initialXDomain": domain,
                "initialYDomain": domain,
                "layout": {"x": number * width, "y": 0, "w": width, "h": HEIGHT},
                "tracks": {"top": above, "left": [], "center": [center], "right": [], "bottom": []},
            }
        )
    # where each view stands when they are locked to one another: centre x and y, zoom
    middle = [sum(domain) / 2, sum(domain) / 2, 1.0]
    lock = {
        "locksByViewUid": {view["uid"]: "together" for view in views},
        "locksDict": {"together": {view["uid"]: middle for view in views}},
    }
    configuration = {
        "editable": True,
        "trackSourceServers": [server],
        "exportViewUrl": f"{server}/viewconfs/",
        "views": views,
        "zoomLocks": lock,
        "locationLocks": lock,
    }
    write_json(configuration, path)
    with atomic_path(Path(path).with_suffix(".sh")) as temporary:
        temporary.write_text(_script(files, chromsizes, path))


def _check(files: list[tuple[str, Path]], maps: Mapping[str, str | Path]) -> None:
    if not 1 <= len(maps) <= 6:
        raise InputError(f"a view shows 1 to 6 maps, not {len(maps)}; write several views")
    names = [name for name, _ in files]
    for name, file in files:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or names.count(name) > 1:
            raise InputError(
                f"track name {name!r} is used twice or has other characters than letters, digits, "
                "'.', '_' and '-'; give each file its own name"
            )
        if file.suffix not in KINDS or (file.suffix == ".mcool") != (name in maps):
            raise InputError(
                f"{file} cannot be shown as '{name}': maps are .mcool, tracks .bw, loops .bedpe"
            )


def _script(files: list[tuple[str, Path]], chromsizes: str | Path, path: str | Path) -> str:
    lines = [
        "#!/bin/sh",
        f"# Ingests the files of {Path(path).name}; run it in the folder that paths start from.",
        "set -e",
    ]
    for name, file in files:
        filetype, datatype, _ = KINDS[file.suffix]
        command = ["higlass-manage", "ingest", "--uid", name, "--name", name]
        command += ["--filetype", filetype, "--datatype", datatype]
        if filetype == "bedpe":
            command += ["--chromsizes-filename", str(chromsizes)]
        lines.append(shlex.join([*command, str(file)]))
    return "\n".join(lines) + "\n"
