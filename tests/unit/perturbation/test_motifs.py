"""Motifs mutated and turned round in the sequence that Akita reads."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromloom.cli import main
from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.motifs import (
    invert_sites,
    map_loci,
    mutate_motifs,
    rank_motifs,
    read_sites,
)
from chromloom.prediction.observed import DistanceMean
from chromloom.sequence.fasta import reverse_complement
from chromloom.sequence.motifs import randomise_sites


def test_sites_are_drawn_anew_and_the_rest_is_kept():
    codes = np.tile(np.arange(5, dtype=np.uint8), 40)
    changed = randomise_sites(codes, [(20, 40), (100, 119)], np.random.default_rng(0))
    inside = np.zeros(200, bool)
    inside[20:40] = inside[100:119] = True
    np.testing.assert_array_equal(changed[~inside], codes[~inside])
    assert (changed[inside] < 4).all()
    assert (changed[inside] != codes[inside]).sum() > 15


def test_overlapping_sites_are_turned_round_as_one():
    codes = np.random.default_rng(0).integers(0, 4, 60, dtype=np.uint8)
    changed = invert_sites(codes, [(30, 40), (5, 15), (10, 20)])
    np.testing.assert_array_equal(changed[5:20], reverse_complement(codes[5:20]))
    np.testing.assert_array_equal(changed[30:40], reverse_complement(codes[30:40]))
    np.testing.assert_array_equal(changed[20:30], codes[20:30])
    np.testing.assert_array_equal(invert_sites(changed, [(5, 20), (30, 40)]), codes)


def test_motifs_are_ranked_by_what_their_loss_disrupts(tiny_akita_source):
    source = tiny_akita_source
    sites = pd.DataFrame(
        [("chr3", start, start + 500, "long") for start in range(20_000, 280_000, 1_000)]
        + [("chr3", 41_000, 41_004, "short"), ("chr1", 1_000, 1_010, "elsewhere")],
        columns=["chrom", "start", "end", "name"],
    )
    table = mutate_motifs(source, sites, draws=2)
    size = source.fitted("chr3").settings.size
    assert set(table["chrom"]) == {"chr3"}
    assert (table["end"] - table["start"]).eq(size * 10_000).all()
    ranked = rank_motifs(table).set_index("name")
    assert ranked.index[0] == "long"
    assert ranked.loc["long", "disruption"] > ranked.loc["short", "disruption"] >= 0
    assert ranked.loc["elsewhere", "n_sites"] == 0
    assert ranked.loc["elsewhere", "disruption"] == 0
    first = table[(table["start"] == 0) & (table["name"] == "long")].iloc[0]
    codes = source.read("chr3", -20_000, 160_000)
    inside = sites[(sites["name"] == "long") & (sites["end"] <= 140_000)]
    places = (inside[["start", "end"]].to_numpy() + 20_000).tolist()
    i, j = np.triu_indices(size, 2)
    with torch.no_grad():
        network = source.fitted("chr3").network
        a, b = (
            network(torch.as_tensor(np.stack([c, c])), torch.tensor([False, True]))
            .mean(0)[0]
            .numpy()[i, j]
            for c in (codes, invert_sites(codes, places))
        )
    assert first["n_sites"] == len(places)
    assert first["signal"] == pytest.approx((a**2).mean(), rel=1e-3)
    assert first["inverted_disruption"] == pytest.approx(((a - b) ** 2).mean(), rel=1e-2)


def test_the_command_writes_windows_and_ranks(tiny_akita_run, tmp_path):
    (tmp_path / "sites.bed").write_text(
        "chr3\t50000\t50019\tCTCF\t9\t+\nchr3\t60000\t60400\tother\t9\t-\n"
    )
    out = tmp_path / "motifs.tsv"
    assert (
        main(["mutate", str(tiny_akita_run), str(tmp_path / "sites.bed"), str(out), "--draws", "1"])
        == 0
    )
    assert set(pd.read_table(out)["chrom"]) == {"chr3"}
    ranked = pd.read_table(out.with_suffix(".ranked.tsv"))
    assert sorted(ranked["name"]) == ["CTCF", "other"]
    assert ranked["disruption"].is_monotonic_decreasing


def test_what_is_not_predicted_from_sequence_is_refused(tiny_akita_source, tiny_map_path):
    sites = pd.DataFrame({"chrom": ["chr3"], "start": [5], "end": [9], "name": ["x"]})
    with pytest.raises(InputError, match="does not predict chr9"):
        mutate_motifs(tiny_akita_source, sites, chroms=["chr9"])
    with pytest.raises(InputError, match="there is no instance; give other motifs"):
        mutate_motifs(tiny_akita_source, sites[:0])
    with pytest.raises(InputError, match="reads no sequence"):
        mutate_motifs(DistanceMean(NormalizedMap(tiny_map_path)), sites)


def test_ranks_say_how_many_instances_overlap_the_first_motif():
    windows = pd.DataFrame(
        {"name": ["a", "b"], "n_sites": [2, 3], "disruption": [1.0, 2.0], "signal_change": 0.0}
        | dict.fromkeys(["inverted_disruption", "inverted_pearson"], 0.0)
    )
    places = {"b": [("chr1", 10, 20), ("chr1", 5, 90), ("chr2", 5, 9)]}
    places["a"] = [("chr1", 20, 25), ("chr1", 90, 95), ("chr2", 9, 12), ("chr3", 1, 2)]
    sites = pd.concat(
        pd.DataFrame(own, columns=["chrom", "start", "end"]).assign(name=name)
        for name, own in places.items()
    )
    ranked = rank_motifs(windows, sites)
    assert ranked["name"].tolist() == ["b", "a"]
    assert ranked["overlapping_first"].tolist() == [3, 1]


def test_sites_are_read_from_bed_or_found_by_matrix_on_what_was_held_out(
    tiny_akita_source, tmp_path
):
    (tmp_path / "sites.bed").write_text("chr3\t50000\t50019\tmine\t9\t+\n")
    own = read_sites(tiny_akita_source, tmp_path / "sites.bed")
    assert own[["chrom", "start", "name"]].to_numpy().tolist() == [["chr3", 50_000, "mine"]]
    (tmp_path / "m.jaspar").write_text(">M1 x\n9 0 0 9 9\n0 9 0 0 0\n0 0 9 0 0\n0 0 0 0 0\n")
    found = read_sites(tiny_akita_source, tmp_path / "m.jaspar", threshold=1e-3)
    assert set(found["chrom"]) == {"chr3"}
    assert set(found["name"]) == {"x"}


def test_loci_are_mapped_as_they_are_without_and_with_turned_motifs(
    tiny_akita_source, tiny_map_path
):
    sites = pd.DataFrame({"chrom": "chr3", "start": range(60_000, 250_000, 5_000)})
    sites["end"] = sites["start"] + 900
    observed = NormalizedMap(tiny_map_path)
    table = map_loci(tiny_akita_source, observed, sites, {"here": "chr3:140000-160000"}, draws=2)
    assert set(table["kind"]) == {"observed", "predicted", "mutated", "inverted"}
    assert (table["start"].unique() == 90_000).all()
    values = {kind: own["value"].to_numpy() for kind, own in table.groupby("kind")}
    assert not np.allclose(values["mutated"], values["predicted"])
    assert not np.allclose(values["inverted"], values["predicted"])
    assert list(map_loci(tiny_akita_source, observed, sites, {}).columns) == list(table.columns)
