"""From a file of variants to the joined table, hits and VCF."""

import numpy as np
import pandas as pd
import pysam
import pytest

from chromloom.edits.edit import Edit, put_together
from chromloom.edits.read import read_rows
from chromloom.files import read_tsv, write_tsv
from chromloom.normalize.maps import NormalizedMap
from chromloom.sequence.fasta import Genome, write_genome
from chromloom.variants.annotate import annotate_vcf
from chromloom.variants.controls import draw_controls
from chromloom.variants.join import join_scores, join_skipped
from chromloom.variants.score import TABLE, score_variants

BED = """\
chr1\t500000\t560000\tDEL:del
chr1\t300000\t301000\tDEL:small
chr2\t400000\t470000\tINV:inv
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants")
    (folder / "variants.bed").write_text(BED)
    return folder


@pytest.fixture(scope="module")
def tables(folder, tiny_model_dir, tiny_map_path):
    for seed in (0, 1):
        score_variants(
            tiny_model_dir(seed=seed), tiny_map_path, folder / "variants.bed",
            folder / f"{seed}.tsv", flank=300_000, controls=4, name=f"mine{seed}",
        )  # fmt: skip
    return {folder / f"{seed}.tsv": "mine" for seed in (0, 1)}


@pytest.fixture(scope="module")
def joined(tables, folder):
    return join_scores(tables, folder / "variants.tsv")


def test_every_variant_has_every_score_or_a_reason(tables):
    scores = read_tsv(next(iter(tables)))
    assert list(scores.columns) == TABLE
    own = scores[~scores["control"]]
    assert (own["value"].isna() == own["reason"].notna()).all()
    assert own.groupby("edit").size().to_dict() == {"del": 10, "inv": 10, "small": 11}
    small = own[own["edit"] == "small"]
    assert small["reason"].str.contains("1,000 bp are less than one bin of 10,000 bp").all()
    assert set(scores.loc[scores["control"], "size_class"]) == {"deletion 32-64 kb",
                                                                "inversion 64-128 kb"}  # fmt: skip


def test_joined_scores_have_spread_chance_and_rank(joined, tables):
    parts = [pd.read_table(path) for path in tables]
    row = joined[(joined["edit"] == "inv") & (joined["score"] == "scc")].iloc[0]
    own = [p[(p["edit"] == "inv") & (p["score"] == "scc")]["value"].iloc[0] for p in parts]
    assert row["value"] == pytest.approx(np.mean(own))
    assert row["sd"] == pytest.approx(np.std(own, ddof=1))
    assert (row["n_seeds"], row["n_controls"]) == (2, 4)
    null = np.mean(
        [p[p["control"] & (p["size_class"] == "inversion 64-128 kb") & (p["score"] == "scc")]
         ["value"].to_numpy() for p in parts], axis=0,
    )  # fmt: skip
    assert row["p_value"] == pytest.approx((1 + (null <= row["value"] + 1e-12).sum()) / 5)
    ranks = joined[joined["score"] == "mean_square_change"].set_index("edit")["rank"]
    assert sorted(ranks.dropna()) == [1, 2]
    assert joined["value"].isna().eq(joined["reason"] != "").all()


def test_a_variant_without_effect_is_no_stronger_than_controls_without(tmp_path):
    row = dict.fromkeys(TABLE, "")
    row |= {"sample": "s", "resolution": 1, "norm": "ICE", "score": "scc", "value": 1.0,
            "kind": "deletion", "size_class": "c", "start": 0, "end": 1}  # fmt: skip
    rows = [{**row, "edit": "v", "control": False}]
    rows += [{**row, "edit": f"control{k}", "control": True} for k in range(9)]
    write_tsv(pd.DataFrame(rows), tmp_path / "m.tsv")
    joined = join_scores({tmp_path / "m.tsv": "m"}, tmp_path / "out.tsv")
    assert joined["p_value"].tolist() == [1.0]


def test_strong_effects_have_low_p_values_and_ranks_whatever_their_sign(tmp_path):
    row = dict.fromkeys(TABLE, np.nan) | {"sample": "s", "resolution": 1, "norm": "ICE"}
    row |= {"score": "scc", "kind": "deletion", "size_class": "c", "start": 0, "end": 1}
    # The effect is the distance from 1, which is no change: 0.3, 0.1, 0.2, and 0.01 to 0.1.
    values = {"strong": 0.7, "tied": 0.9, "beyond": 1.2}
    rows = [{**row, "edit": e, "value": v, "control": False} for e, v in values.items()]
    drawn = [1 - 0.01 * (k + 1) for k in range(10)]
    # Two draws as far as "beyond" but for rounding, and beyond it; one above no change.
    drawn += [1 - 0.2 * (1 - 1e-12), 1.25]
    rows += [{**row, "edit": f"c{k}", "value": v, "control": True} for k, v in enumerate(drawn)]
    rows += [{**row, "edit": "unknown", "control": False, "reason": "too small"}]
    write_tsv(pd.DataFrame(rows), tmp_path / "m.tsv")
    joined = join_scores({tmp_path / "m.tsv": "m"}, tmp_path / "out.tsv").set_index("edit")
    assert joined["n_controls"].tolist() == [12] * 4
    np.testing.assert_allclose(joined["p_value"], [1 / 13, 4 / 13, 3 / 13, np.nan])
    assert joined["rank"].tolist() == [1, 3, 2, pd.NA]


def test_a_bed_becomes_a_vcf_that_htslib_reads(joined, folder, tiny_map_path):
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes
    rows = read_rows(folder / "variants.bed", chromsizes=sizes)
    annotate_vcf(rows, joined, sizes, folder / "out.vcf.gz")
    with pysam.VariantFile(str(folder / "out.vcf.gz")) as reader:
        found = {record.id: record for record in reader}
        assert [r.id for r in reader.fetch("chr2")] == ["inv"]
    record = found["del"]
    assert (record.start, record.stop, record.alts) == (499_999, 560_000, ("<DEL>",))
    value = joined[(joined["edit"] == "del") & (joined["score"] == "scc")]["value"].iloc[0]
    assert record.info["CL_SCC"][0] == pytest.approx(value, rel=1e-3)
    assert record.info["CL_MODELS"] == ("mine",)
    assert found["small"].info["CL_MS"] == (None,)


def test_records_of_a_vcf_stay_what_they_are(joined, tmp_path, tiny_map_path):
    text = "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=1195000>\n"
    text += '##FILTER=<ID=weak,Description="w">\n'
    text += '##INFO=<ID=END,Number=1,Type=Integer,Description="e">\n'
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    text += "chr1\t700000\tother\tN\t<DEL>\t.\tweak\tEND=710000\n"
    text += "chr1\t500000\tdel\tN\t<DEL>\t9\tPASS\tEND=560000\n"
    (tmp_path / "in.vcf").write_text(text)
    sizes = NormalizedMap(tiny_map_path).bins.chromsizes
    rows = read_rows(tmp_path / "in.vcf", chromsizes=sizes)
    annotate_vcf(rows, joined, sizes, tmp_path / "out.vcf.gz", vcf=tmp_path / "in.vcf")
    with pysam.VariantFile(str(tmp_path / "out.vcf.gz")) as reader:
        records = list(reader)
    told = [(record.id, record.stop, "CL_MS" in record.info) for record in records]
    assert told == [("del", 560_000, True), ("other", 710_000, False)]
    assert list(records[1].filter) == ["weak"]


def test_what_was_left_out_is_told_by_sample(tmp_path):
    table = pd.DataFrame([{"line": 3, "id": "007", "chrom": "1", "position": 5, "type": "SNV",
                           "reason": "sequence", "detail": "d"}])  # fmt: skip
    write_tsv(table, tmp_path / "a.tsv")
    write_tsv(table.iloc[:0], tmp_path / "b.tsv")
    joined = join_skipped({"A": tmp_path / "a.tsv", "B": tmp_path / "b.tsv"}, tmp_path / "out.tsv")
    assert joined[["sample", "id", "reason"]].to_numpy().tolist() == [["A", "007", "sequence"]]


def test_controls_of_bases_and_of_compound_variants(tiny_map_path, tmp_path):
    """Bases are changed where the reference has the same; steps keep their distances."""
    bins = NormalizedMap(tiny_map_path).bins
    letters = np.random.default_rng(1).choice(list("ACGT"), int(bins.chromsizes["chr1"]))
    (tmp_path / "genome.fa").write_text(">chr1\n" + "".join(letters) + "\n")
    write_genome(tmp_path / "genome.fa", tmp_path / "genome.fa.gz", bins.chromsizes[["chr1"]])
    snv = Edit("s", "substitution", "chr1", 500_000, 500_003, ref="ACG", alt="ATG")
    steps = [Edit("", "deletion", "chr1", 300_000, 350_000),
             Edit("", "inversion", "chr1", 400_000, 500_000)]  # fmt: skip
    with Genome(tmp_path / "genome.fa.gz") as genome:
        drawn = draw_controls([snv, put_together("c", steps)], bins, number=5, seed=1,
                              genome=genome)  # fmt: skip
    for edit in drawn["substitution 2-4 bp"]:
        assert "".join(letters[edit.start : edit.end]) == "ACG"
    compound = drawn["compound deletion+inversion of chr1"]
    assert len(compound) == 5
    for edit in compound:
        first, second = edit.steps
        assert second.start - first.start == 100_000
        assert (first.end - first.start, edit.end - edit.start) == (50_000, 200_000)
