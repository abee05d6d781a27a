"""The folders that `perturb` writes, opened as a user would."""

from dataclasses import replace

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.cli import main
from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import InputError
from chromloom.perturbation.perturb import (
    TABLE_COLUMNS,
    insulation,
    loop_changes,
    perturb,
    rank_edits,
    summarise,
    write_prediction,
)
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.open import open_source


@pytest.fixture(scope="module")
def out(tiny_model_dir, tiny_map_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("perturb")
    (folder / "edits.bed").write_text(
        "chr1\t500000\t600000\tDEL:del\nchr1\t200000\t300000\tDUP:dup\n"
    )
    perturb(tiny_model_dir(), tiny_map_path, folder / "edits.bed", folder / "out")
    return folder / "out"


def dense(path, chrom, resolution=10_000):
    clr = cooler.Cooler(f"{path}::resolutions/{resolution}")
    return clr, np.triu(clr.matrix(balance=False).fetch(chrom))


def test_every_edit_gets_its_folder(out):
    names = {
        "wild_type.mcool",
        "edited.mcool",
        "edited_on_reference.mcool",
        "difference.mcool",
        "lift.tsv",
        "summary.tsv",
        "virtual_4c.tsv",
        "insulation.tsv",
        "loops.tsv",
        "maps.tsv",
    }
    for edit in ("del", "dup"):
        assert {path.name for path in (out / edit).iterdir()} == names
    table = pd.read_csv(out / "perturbation.tsv", sep="\t")
    assert list(table.columns) == TABLE_COLUMNS
    assert set(table["edit"]) == {"del", "dup"}
    assert set(table["model"]) == {"hiclstm-refined"}


def test_the_table_of_a_picture_has_every_pair_of_its_window_once(out):
    table = pd.read_csv(out / "dup" / "maps.tsv", sep="\t")
    assert list(table["map"].unique()) == ["wild type", "edited", "difference"]
    for _, part in table.groupby("map"):
        k = part["start1"].nunique()
        assert len(part) == k * (k + 1) // 2
        assert not part.duplicated(["start1", "start2"]).any()
        i, j = np.triu_indices(k)
        np.testing.assert_array_equal(part["start1"], np.unique(part["start1"])[i])
        np.testing.assert_array_equal(part["start2"], np.unique(part["start1"])[j])
        assert part["value"].isna().any()  # the diagonal, and masked bins
    _, wild_type = dense(out / "dup" / "wild_type.mcool", "chr1")
    own = table[table["map"] == "wild type"].dropna()
    drawn = wild_type[own["start1"] // 10_000, own["start2"] // 10_000]
    np.testing.assert_allclose(own["value"], drawn, rtol=1e-5)
    values = {name: part["value"].to_numpy() for name, part in table.groupby("map")}
    _, edited = dense(out / "dup" / "edited_on_reference.mcool", "chr1")
    own = table[table["map"] == "difference"].dropna()
    pairs = own["start1"] // 10_000, own["start2"] // 10_000
    change = np.log2((edited[pairs] + 0.5) / (wild_type[pairs] + 0.5))
    np.testing.assert_allclose(own["value"], change, atol=1e-5)
    assert len(values["edited"]) > len(values["wild type"])


def test_maps_say_their_coordinates_and_subtract(out):
    clr, wild_type = dense(out / "dup" / "wild_type.mcool", "chr1")
    assert clr.info["metadata"]["coordinates"].startswith("reference")
    _, edited = dense(out / "dup" / "edited_on_reference.mcool", "chr1")
    _, difference = dense(out / "dup" / "difference.mcool", "chr1")
    known = difference != 0
    np.testing.assert_allclose(difference[known], (edited - wild_type)[known], rtol=1e-3, atol=1e-4)
    clr, own = dense(out / "dup" / "edited.mcool", "chr1_duplication")
    assert clr.chromsizes["chr1_duplication"] == 1_195_000 + 100_000
    assert "chr1_duplication" in clr.info["metadata"]["coordinates"]
    assert own[:20, :20].sum() == pytest.approx(wild_type[:20, :20].sum(), rel=1e-5)
    assert cooler.fileops.list_coolers(str(out / "dup" / "edited.mcool")) == [
        f"/resolutions/{10_000 * f}" for f in (1, 2, 5, 10)
    ]


def test_the_lift_table_explains_the_edited_map(out):
    lift = pd.read_csv(out / "del" / "lift.tsv", sep="\t")
    _, edited = dense(out / "del" / "edited.mcool", "chr1_deletion")
    _, reference = dense(out / "del" / "edited_on_reference.mcool", "chr1")
    index = (lift["ref_start"] // 10_000).to_numpy()
    assert len(lift) == len(edited) == 110
    np.testing.assert_allclose(edited[40, 70], reference[index[40], index[70]], rtol=1e-6)
    assert index[70] == 80


def test_the_virtual_4c_stands_beside_the_edit(out):
    table = pd.read_csv(out / "del" / "virtual_4c.tsv", sep="\t")
    assert set(table["viewpoint"]) == {"chr1:490000-500000", "chr1:600000-610000"}
    _, wild_type = dense(out / "del" / "wild_type.mcool", "chr1")
    own = table[table["viewpoint"] == "chr1:490000-500000"].set_index("start")["wild_type"]
    np.testing.assert_allclose(own[800_000], wild_type[49, 80], rtol=1e-5)
    np.testing.assert_allclose(own[100_000], wild_type[10, 49], rtol=1e-5)


def test_summaries_measure_the_difference(tiny_model_dir, tiny_map_path):
    source = open_source(tiny_model_dir(), tiny_map_path)
    layout = lay_out(Edit("e", "deletion", "chr1", 500_000, 600_000), source.bins)
    prediction = predict_edit(source, layout)
    table = summarise(prediction, source)
    assert set(table["model"]) == {"hiclstm-refined"}
    table = table.set_index("metric")["value"]
    difference = prediction.difference
    i, j = np.nonzero(np.isfinite(difference))
    near = j - i < 20
    assert table["n_pairs"] == len(i)
    np.testing.assert_allclose(
        table["mean_abs_difference_200kb"], np.abs(difference[i, j][near]).mean()
    )
    assert 0 < table["scc"] < 1
    assert table["insulation_change"] > 0


@pytest.mark.parametrize(("preset", "name"), [("eig", "eig"), ("refined", "hiclstm-refined")])
def test_the_command_line_calls_a_model_as_the_registry_does(
    tiny_model_dir, tiny_map_path, tmp_path, preset, name
):
    model = tiny_model_dir(preset, **({"hidden_size": 0} if preset == "eig" else {}))
    (tmp_path / "e.bed").write_text("chr1\t500000\t600000\tDEL:a\n")
    words = [model, tiny_map_path, tmp_path / "e.bed", tmp_path / "out"]
    assert main(["edit", *map(str, words)]) == 0
    for table in tmp_path.glob("out/**/*.tsv"):
        assert set(pd.read_table(table).get("model", [name])) == {name}, table.name
    assert set(pd.read_table(tmp_path / "out" / "perturbation.tsv")["model"]) == {name}


def test_loops_and_insulation_are_followed_across_an_edit(tiny_model_dir, tiny_map_path):
    source = open_source(tiny_model_dir(), tiny_map_path)
    layout = lay_out(Edit("e", "deletion", "chr1", 500_000, 600_000), source.bins)
    prediction = predict_edit(source, layout)
    loops = pd.DataFrame(
        [
            ("chr1", 400_000, 410_000, 700_000, 720_000),  # across the deletion
            ("chr1", 100_000, 110_000, 200_000, 210_000),  # beside it
            ("chr1", 510_000, 520_000, 700_000, 710_000),  # an end is deleted
            ("chr2", 100_000, 110_000, 200_000, 210_000),  # elsewhere
        ],
        columns=["chrom", "start", "end", "start2", "end2"],
    )
    table = loop_changes(prediction, source, loops).set_index("start")
    assert set(table.index) == {400_000, 100_000, 510_000}
    np.testing.assert_allclose(
        table.loc[400_000, "edited"], prediction.on_reference[40, [70, 71]].mean()
    )
    assert table.loc[400_000, "log2_change"] > 0
    assert table.loc[100_000, "log2_change"] == 0
    assert np.isnan(table.loc[510_000, "edited"])
    assert len(loop_changes(prediction, source, None)) == 0
    scores = insulation(prediction, source)
    change = scores["edited"] - scores["wild_type"]
    changed = scores["start"][change.abs() > 1e-6]  # nothing moves far from the edit
    assert len(changed)
    assert changed.between(400_000, 690_000).all()


def test_one_edit_can_be_picked(tiny_model_dir, tiny_map_path, tmp_path):
    (tmp_path / "e.bed").write_text("chr1\t500000\t600000\tDEL:a\nchr1\t0\t90000\tDEL:b\n")
    perturb(tiny_model_dir(), tiny_map_path, tmp_path / "e.bed", tmp_path / "o", edit="b")
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["b"]
    with pytest.raises(InputError, match="no edit 'c'"):
        perturb(tiny_model_dir(), tiny_map_path, tmp_path / "e.bed", tmp_path / "o", edit="c")


def test_motifs_are_read_as_other_bed_files(tiny_model_dir, tiny_map_path, tmp_path):
    """Names without chr, a byte-order mark, names with blanks: the strand is in its column."""
    (tmp_path / "edits.tsv").write_text(
        "edit\tkind\tchrom\tstart\tend\nturn\torientation\tchr1\t600000\t610000\n"
    )
    rows = [(600_100, "+"), (700_100, "-"), (710_100, "-"), (800_100, "+")]
    text = "".join(f"1\t{at}\t{at + 19}\tCTCF a\t.\t{strand}\n" for at, strand in rows)
    (tmp_path / "plain.bed").write_text(
        text.replace("1\t", "chr1\t", 1).replace("\n1\t", "\nchr1\t")
    )
    (tmp_path / "odd.bed").write_text("\ufefftrack name=x\n" + text)
    model, maps = tiny_model_dir(), []
    for name in ("plain", "odd"):
        out = tmp_path / name
        perturb(model, tiny_map_path, tmp_path / "edits.tsv", out, motifs_path=f"{out}.bed")
        maps.append(pd.read_csv(out / "perturbation.tsv", sep="\t"))
    pd.testing.assert_frame_equal(*maps)
    changed = maps[0].set_index("metric")["value"]
    assert changed.notna().any()


def test_a_bad_edit_writes_nothing(tiny_model_dir, tiny_map_path, tmp_path):
    (tmp_path / "e.bed").write_text("chr1\t500000\t600000\tDEL:a\nchr1\t0\t9000000\tDEL:b\n")
    with pytest.raises(InputError, match="does not lie inside chr1"):
        perturb(tiny_model_dir(), tiny_map_path, tmp_path / "e.bed", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_records_that_are_no_edit_are_listed_and_the_others_predicted(
    tiny_model_dir, tiny_map_path, tmp_path
):
    lines = ["##fileformat=VCFv4.2", "#CHROM POS ID REF ALT QUAL FILTER INFO"]
    lines += ["1 500000 Sv.1 N <DEL> . PASS END=600000", "chr1 500000 small N <DEL> . . END=500100"]
    lines += ["chr1 500000 snv A C . PASS .", "chr77 500000 far N <DEL> . . END=600000"]
    (tmp_path / "e.vcf").write_text("\n".join(lines).replace(" ", "\t"))
    perturb(tiny_model_dir(), tiny_map_path, tmp_path / "e.vcf", tmp_path / "o", flank=100_000)
    table = pd.read_csv(tmp_path / "o" / "perturbation.tsv", sep="\t")
    assert set(table["edit"]) == {"Sv-1"}
    assert set(table["region"]) == {"chr1:500000-600000"}
    skipped = pd.read_csv(tmp_path / "o" / "skipped.tsv", sep="\t")
    assert list(skipped["reason"]) == ["size", "sequence", "place"]
    (tmp_path / "none.vcf").write_text("\n".join([*lines[:2], lines[-1]]).replace(" ", "\t"))
    with pytest.raises(InputError, match=r"none of its records is an edit .*place 1"):
        perturb(tiny_model_dir(), tiny_map_path, tmp_path / "none.vcf", tmp_path / "no")


def test_an_edit_among_masked_bins_has_no_effect_that_is_known(
    tiny_model_dir, tiny_map_path, tmp_path
):
    source = open_source(tiny_model_dir(), tiny_map_path)
    layout = lay_out(Edit("e", "deletion", "chr1", 500_000, 600_000), source.bins)
    prediction = predict_edit(source, layout, flank=100_000)
    unknown = {
        name: np.full_like(getattr(prediction, name), np.nan)
        for name in ("wild_type", "on_reference", "in_edited")
    }
    prediction = replace(prediction, **unknown)
    table = summarise(prediction, source)
    metrics = table.set_index("metric")["value"]
    assert metrics.pop("n_pairs") == 0
    assert len(metrics) == 8
    assert metrics.isna().all()
    write_prediction(prediction, source, tmp_path / "e", table)
    assert (tmp_path / "e" / "summary.tsv").is_file()


def test_seeds_are_joined_and_edits_ranked(tmp_path):
    paths = []
    for seed, values in enumerate(([1.0, 5.0], [3.0, 5.0])):
        table = pd.DataFrame(
            {
                "sample": "s",
                "resolution": 1,
                "norm": "ICE",
                "model": ["m", "m-seed2"][seed],
                "edit": ["weak", "strong"],
                "kind": "deletion",
                "region": "r",
                "metric": "mean_abs_difference_2Mb",
                "value": values,
                "ci_low": np.nan,
                "ci_high": np.nan,
            }
        )
        paths.append(tmp_path / f"{seed}.tsv")
        table.to_csv(paths[-1], sep="\t", index=False)
    rank_edits(paths, tmp_path / "out.tsv")
    table = pd.read_csv(tmp_path / "out.tsv", sep="\t")
    assert table["edit"].tolist() == ["strong", "weak"]
    assert table["value"].tolist() == [5, 2]
    assert set(table["model"]) == {"m"}
    np.testing.assert_allclose(table["ci_high"][1] - 2, 12.706, rtol=1e-3)  # t, 1 d.f., sem 1
    with pytest.raises(InputError, match="metric 'scc'"):
        rank_edits(paths, tmp_path / "out.tsv", by="scc")
