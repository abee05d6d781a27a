"""HiGlass views of maps."""

import json
import shlex

import pytest

from chromloom.errors import InputError
from chromloom.prediction.higlass import write_view


@pytest.fixture
def sizes(tmp_path):
    path = tmp_path / "own.chrom.sizes"
    path.write_text("chr1\t1000000\nchr2\t800000\n")
    return path


def test_a_view_asks_for_what_the_script_ingests(tmp_path, sizes):
    write_view(
        tmp_path / "view.json",
        {"observed": "contacts/A.mcool", "predicted": "predictions/A b.mcool", "change": "d.mcool"},
        {"E1": "E1.bw"},
        {"loops": "loops.bedpe"},
        chromsizes=sizes, region="chr2:100,000-300,000", differences=("change",),
    )  # fmt: skip
    view = json.loads((tmp_path / "view.json").read_text())
    asked = set()
    for one in view["views"]:
        assert one["initialXDomain"] == one["initialYDomain"] == [1_100_000, 1_300_000]
        tracks = one["tracks"]["top"] + one["tracks"]["center"][0]["contents"]
        asked |= {track["tilesetUid"] for track in tracks}
        assert [t["type"] for t in tracks] == ["horizontal-bar", "heatmap", "2d-rectangle-domains"]
    assert sum(one["layout"]["w"] for one in view["views"]) == 12
    uids = [one["uid"] for one in view["views"]]
    assert set(view["zoomLocks"]["locksDict"]["together"]) == set(uids)
    scaling = [v["tracks"]["center"][0]["contents"][0]["options"] for v in view["views"]]
    assert [s["heatmapValueScaling"] for s in scaling] == ["log", "log", "linear"]

    lines = (tmp_path / "view.sh").read_text().splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith("higlass-manage")]
    ingested = {command[command.index("--uid") + 1]: command[-1] for command in commands}
    assert set(ingested) == asked
    assert ingested["predicted"] == "predictions/A b.mcool"
    bedpe = next(command for command in commands if "bedpe" in command)
    assert bedpe[bedpe.index("--chromsizes-filename") + 1] == str(sizes)


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        ({}, {}, "1 to 6 maps"),
        ({"a": "a.cool"}, {}, "a.cool"),
        ({"a; rm": "a.mcool"}, {}, "a; rm"),
        ({"a": "a.mcool"}, {"tracks": {"a": "a.bw"}}, "twice"),
        ({"a": "a.mcool"}, {"tracks": {"b": "b.mcool"}}, "b.mcool"),
        ({"a": "a.mcool"}, {"region": "chr9"}, "chr9"),
    ],
)
def test_what_cannot_be_shown_is_an_error(tmp_path, sizes, maps, options, message):
    options = {"chromsizes": sizes, "region": "chr1", **options}
    with pytest.raises(InputError, match=message):
        write_view(tmp_path / "view.json", maps, **options)
    assert not (tmp_path / "view.json").exists()
