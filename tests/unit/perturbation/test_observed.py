"""Edits that were measured: scores of pairs; the edited map made comparable with the wild type."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import write_normalized
from chromloom.perturbation.observed import compare_with_observed, pair_table, score_parts
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.open import open_source

EDIT = Edit("dup", "duplication", "chr1", 500_000, 600_000)


@pytest.fixture(scope="module")
def edited_map_path(tiny_map_path, tmp_path_factory):
    """The tiny map, three times as deep, twice the contacts of the duplicated bins."""
    folder = tmp_path_factory.mktemp("edited")
    before = NormalizedMap(tiny_map_path)
    pixels = before.clr.pixels()[:][["bin1_id", "bin2_id", "count"]]
    copies = 1 + pixels[["bin1_id", "bin2_id"]].isin(range(50, 60)).any(axis=1)
    pixels["count"] *= 3 * copies
    cooler.create_cooler(
        str(folder / "counts.cool"), before.clr.bins()[["chrom", "start", "end"]][:], pixels
    )
    weights = np.full(len(before.bins), 7.0)  # its own balancing is not asked
    path = folder / "edited.10000.ICE.cool"
    view = pd.DataFrame([["chr1", 0, 1_195_000, "chr1"]], columns=["chrom", "start", "end", "name"])
    write_normalized(
        cooler.Cooler(str(folder / "counts.cool")), weights, path, sample="edited", norm="ICE",
        assembly="tiny", view_df=view,
    )  # fmt: skip
    return path


def test_dosage_is_kept_and_depth_is_not(tiny_model_dir, tiny_map_path, edited_map_path):
    source = open_source(tiny_model_dir(), tiny_map_path)
    before = source.observed
    prediction = predict_edit(source, lay_out(EDIT, source.bins))
    table = pair_table(prediction, before, NormalizedMap(edited_map_path))
    ratio = table["observed_after"] / table["observed_before"]
    touched = (table["part1"] == "edit") | (table["part2"] == "edit")
    assert touched.any()
    np.testing.assert_allclose(ratio[touched & ratio.notna()], 2, rtol=1e-5)
    np.testing.assert_allclose(ratio[~touched & ratio.notna()], 1, rtol=1e-5)
    assert (table["no_change_after"] == table["observed_before"]).all()


def test_scores_are_written(tiny_model_dir, tiny_map_path, edited_map_path, tmp_path):
    (tmp_path / "e.bed").write_text("chr1\t500000\t600000\tDUP:dup\n")
    paths = tiny_model_dir(), tiny_map_path, edited_map_path, tmp_path / "e.bed", tmp_path / "o"
    compare_with_observed(*paths, edit="dup")
    scores = pd.read_csv(tmp_path / "o.scores.tsv", sep="\t")
    assert {"model", "article", "no change", "shifted expected"} <= set(scores["method"])
    assert {"all", "changed", "edit-edit", "upstream-downstream"} <= set(scores["part"])
    assert len(pd.read_csv(tmp_path / "o.tsv", sep="\t")) == scores["n_pairs"].max()
    with pytest.raises(InputError, match="no edit 'other'"):
        compare_with_observed(*paths, edit="other")


def test_edits_of_orientation_are_compared(
    tiny_model_dir, tiny_map_path, edited_map_path, tmp_path
):
    (tmp_path / "e.tsv").write_text("edit\tkind\tchrom\tstart\tend\tstrand\n"
                                    "ori\torientation\tchr1\t500000\t600000\t+\n")  # fmt: skip
    motifs = [f"chr1\t{k}00000\t{k}00019\tm\t1\t{'+-'[k % 2]}\n" for k in range(2, 9)]
    (tmp_path / "motifs.bed").write_text("".join(motifs))
    paths = tiny_model_dir(), tiny_map_path, edited_map_path, tmp_path / "e.tsv", tmp_path / "o"
    with pytest.raises(InputError, match="needs the motifs"):
        compare_with_observed(*paths, edit="ori")
    scores = compare_with_observed(*paths, edit="ori", motifs_path=tmp_path / "motifs.bed")
    assert "all" in set(scores["part"])


def test_bases_are_compared_with_a_map_of_a_region(tiny_akita_run, tiny_map_path, tmp_path):
    """As 5C has it: the map after the edit knows one region, and nothing else is scored."""
    before = NormalizedMap(tiny_map_path)
    clr, region = before.clr, ("chr3", 100_000, 350_000)
    bins = clr.bins()[["chrom", "start", "end"]][:]
    covered = ((bins["chrom"] == region[0]) & (bins["start"] >= region[1])).to_numpy()
    covered &= (bins["end"] <= region[2]).to_numpy()
    pixels = clr.pixels()[:][["bin1_id", "bin2_id", "count"]]
    pixels = pixels[covered[pixels["bin1_id"]] & covered[pixels["bin2_id"]]]
    counts, path = str(tmp_path / "counts.cool"), tmp_path / "5C.10000.ICE.cool"
    cooler.create_cooler(counts, bins, pixels)
    view = pd.DataFrame([[*region, "chr3"]], columns=["chrom", "start", "end", "name"])
    write_normalized(
        cooler.Cooler(counts), np.where(covered, 1.0, np.nan), path, sample="5C", norm="ICE",
        assembly="tiny", view_df=view,
    )  # fmt: skip
    (tmp_path / "e.bed").write_text("chr3\t201000\t228000\tDEL:anchor\n")
    compare_with_observed(
        tiny_akita_run, tiny_map_path, path, tmp_path / "e.bed", tmp_path / "o", edit="anchor"
    )
    table = pd.read_csv(tmp_path / "o.tsv", sep="\t")
    assert table["start1"].min() >= region[1]
    assert table["start2"].max() < region[2]
    assert (table["start2"] - table["start1"]).max() <= 80_000, "as far as the network predicts"
    crossing = (table["part1"] == "upstream") & (table["part2"] == "downstream")
    assert (table["model_after"] != table["model_before"])[crossing].all()
    scores = pd.read_csv(tmp_path / "o.scores.tsv", sep="\t")
    assert {"model", "no change", "shifted expected"} <= set(scores["method"])


def test_a_perfect_prediction_scores_perfectly():
    rng = np.random.default_rng(0)
    i, j = np.triu_indices(30, 2)
    before = rng.uniform(1, 10, len(i))
    after = before * rng.uniform(0.5, 2, len(i))
    parts = np.array(["upstream", "edit", "downstream"]).repeat(10)
    table = pd.DataFrame(
        {
            "start1": i * 10_000, "start2": j * 10_000, "part1": parts[i], "part2": parts[j],
            "observed_before": before, "observed_after": after,
            "model_before": before, "model_after": after,
            "no_change_before": before, "no_change_after": before,
        }
    )  # fmt: skip
    scores = score_parts(table, 10_000, 8).set_index(["method", "part"])
    np.testing.assert_allclose(scores.loc[("model", "all"), "pearson_change"], 1)
    np.testing.assert_allclose(scores.loc[("model", "all"), "pearson_change_coarse"], 1)
    assert scores.loc[("model", "edit-edit"), "mse_cp"] == 0
    assert np.isnan(scores.loc[("no change", "all"), "pearson_change"])
    assert scores.loc[("no change", "all"), "mse_cp"] > 0
    outer = scores.loc[("model", "upstream-upstream"), "n_pairs"] * 2
    assert scores.loc[("model", "changed"), "n_pairs"] == len(i) - outer
