"""Elements of genes: which they are, by files and maps, and that their signals are theirs."""

from dataclasses import replace

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.expression.controls import APART, CONTROLS, apply_control
from chromloom.expression.elements import gather_elements
from chromloom.expression.features import open_marks
from chromloom.expression.interactions import find_elements, map_interactions, read_interactions
from chromloom.genome.bins import make_bins

SIZES = pd.Series({"chr1": 2_000_000, "chr2": 2_000_000})
GENES = pd.DataFrame(
    {"gene": ["a", "b", "c"], "chrom": ["chr1", "chr1", "chr2"], "tss": [100_500, 100_700, 5_000],
     "strand": ["+", "-", "+"]}
)  # fmt: skip
BEDPE = (
    "chr1\t100000\t101000\tchr1\t300000\t304000\tx\t2.5\n"
    "chr1\t700000\t702000\tchr1\t100600\t101000\tx\t4\n"
    "chr1\t100000\t101000\tchr1\t500000\t501000\tx\t1.5\n"
    "chr2\t5000\t6000\tchr1\t500000\t501000\tx\t9\n"
)
LOCI = (
    "frag1\tfrag2\tcount\tnorm_freq\tp\n"
    "chr1:100000-101000\tchr1:300000-304000\t7\t2.5\t0.1\n"
    "chr1.700000.702000\tchr1.100600.101000\t9\t4\t0.1\n"
    "chr1:100000-101000\tchr1:500000-501000\t2\t1.5\t0.1\n"
)
LOOPS = (
    "chr1\tx1\tx2\tchr2\ty1\ty2\tcolor\to\te_bl\te_donut\n"
    "1\t100000\t101000\t1\t300000\t304000\t0,255,255\t25\t5\t10\n"
    "1\t100600\t101000\t1\t700000\t702000\t0,255,255\t40\t5\t10\n"
    "1\t100000\t101000\t1\t500000\t501000\t0,255,255\t15\t5\t10\n"
)
IBED = (
    "bait_chr\tbait_start\tbait_end\tbait_name\t"
    "otherEnd_chr\totherEnd_start\totherEnd_end\totherEnd_name\tN_reads\tscore\n"
    "1\t100000\t101000\ta;b\t1\t300000\t304000\t.\t7\t2.5\n"
    "1\t700000\t702000\tz\t1\t100600\t101000\tb\t9\t4\n"
    "1\t100000\t101000\ta;b\t1\t500000\t501000\t.\t2\t1.5\n"
    "2\t5000\t6000\tc\t1\t500000\t501000\t.\t2\t9\n"
)
NEW_LOOPS = LOOPS.replace("o\te_bl\te_donut\n", "observed\texpectedBL\texpectedDonut\n")
NEW_LOOPS = "#" + NEW_LOOPS.replace("\n", "\n# juicer_tools version 1.22.01\n", 1)
BARE = LOCI.replace("frag1\tfrag2\tcount\tnorm_freq\tp\n", "").replace("\t0.1", "")


@pytest.mark.parametrize(
    "text", [BEDPE, LOCI, LOOPS, NEW_LOOPS, IBED, BARE, "# 3DIV\n\n" + LOCI, "#" + LOCI,
             LOCI.replace("100000-101000", "100,000-101,000") + "S.1:1-2\tS.1:5-9\t1\t2\t0\n",
             "#chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tname\tscore\n"
             + BEDPE],
    ids=["bedpe", "loci", "loops", "new loops", "ibed", "bare", "comment", "named", "commas",
         "header"],
)  # fmt: skip
def test_elements_are_what_touches_the_tss_most(tmp_path, text):
    path = tmp_path / "interactions.txt"
    path.write_text(text)
    interactions = read_interactions(path, SIZES)
    elements = find_elements(GENES, interactions).set_index(["gene", "rank"])
    assert elements["start"].to_dict() == {("a", 0): 300_000, ("b", 0): 700_000, ("b", 1): 300_000}
    assert elements["frequency"].tolist() == [2.5, 4.0, 2.5]
    assert elements["distance"].tolist() == [201_500, -600_300, -201_300]
    most = find_elements(GENES, interactions, max_elements=1, min_frequency=0)
    assert most["start"].tolist() == [300_000, 700_000]


def test_interactions_of_another_assembly_or_too_rare_are_refused(tmp_path):
    path = tmp_path / "interactions.bedpe"
    path.write_text(BEDPE.replace("700000\t702000", "2700000\t2702000"))
    with pytest.raises(InputError, match=r"line 2: chr1:2700000.* another assembly"):
        read_interactions(path, SIZES)
    path.write_text(LOCI.replace("700000.702000", "2700000.2702000"))
    with pytest.raises(
        InputError, match=r"line 3: chr1:2,700,000-2,702,000 lies beyond .* another"
    ):
        read_interactions(path, SIZES)
    path.write_text(LOCI.replace("chr1.100600.101000", "somewhere"))
    with pytest.raises(InputError, match="line 3: 'somewhere' is no locus"):
        read_interactions(path, SIZES)
    path.write_text(BEDPE)
    interactions = read_interactions(path, SIZES)
    with pytest.raises(InputError, match=r"of a gene is above 5 .highest 4.; lower"):
        find_elements(GENES, interactions, min_frequency=5)
    with pytest.raises(InputError, match="none of 3 interactions has the TSS of one of the 3"):
        find_elements(GENES.assign(tss=0), interactions)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chr1.700000.702000", "chr1_700000_702000", "line 3: 'chr1_700000_702000' is no locus"),
        ("chr1.700000.702000", "chr1.702000.700000", "line 3: .* has no length"),
        ("\t4\t", "\t4,5\t", "line 3: norm_freq '4,5' is not a number"),
        ("\t4\t", "\tinf\t", "line 3: norm_freq 'inf' is not a number"),
    ],
)
def test_no_row_of_loci_is_passed_over(tmp_path, old, new, message):
    path = tmp_path / "interactions.tsv"
    path.write_text(LOCI.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_interactions(path, SIZES)


def test_interactions_without_a_frequency_are_all_taken(tmp_path):
    path = tmp_path / "loops.bedpe"
    path.write_text("".join(f"{line.rsplit('	', 2)[0]}\n" for line in BEDPE.splitlines()))
    elements = find_elements(GENES, read_interactions(path, SIZES))
    assert elements["frequency"].tolist() == [1.0] * 5


def test_pairs_of_a_map_are_compared_with_their_distance(tmp_path, caplog):
    """Strength halves with distance; the pairs of one promoter with two bins are three times it."""
    sizes, n = pd.Series({"chr1": 600_000}), 60
    i, j = np.triu_indices(n)
    value = 100.0 * 0.5 ** ((j - i) / 8)
    value[(i == 10) & np.isin(j, [25, 40])] *= 3
    kept = (i != 20) & (j != 20) & (value > 1)
    bins = make_bins(sizes, 10_000)
    bins["weight"] = np.where(np.arange(n) == 20, np.nan, 1.0)
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": 1, "value": value})[kept]
    cooler.create_cooler(str(tmp_path / "x.cool"), bins, pixels, columns=["count", "value"],
                         dtypes={"value": "f4"})  # fmt: skip
    genes = GENES.iloc[:1].assign(tss=105_000)
    limits = {"max_distance": 400_000, "min_distance": 20_000}
    found = map_interactions(str(tmp_path / "x.cool"), genes, column="value", **limits)
    assert (found["start2"] - found["start1"]).between(20_000, 400_000).all()
    assert found["start2"].max() == 500_000
    assert 200_000 not in set(found["start2"])
    distance = 15
    pairs = [v for a, b, v in zip(i, j, value) if b - a == distance and 20 not in (a, b)]
    own = found[(found["start1"] == 100_000) & (found["start2"] == 250_000)]
    assert own["frequency"].item() == pytest.approx(value[(i == 10) & (j == 25)] / np.mean(pairs))
    elements = find_elements(genes, found)
    assert elements["start"].tolist() == [250_000, 400_000]
    map_interactions(str(tmp_path / "x.cool"), GENES, column="value", **limits)
    assert "has no contacts of chr2: genes there have no elements" in caplog.text
    with pytest.raises(InputError, match=r"has none of the chromosomes of the genes .chr2."):
        map_interactions(str(tmp_path / "x.cool"), GENES.iloc[2:], column="value", **limits)


@pytest.fixture(scope="module")
def elements(genes, element_table, store):
    return gather_elements(store, genes, element_table, signals=store.signals, longest=10_000)


def test_signals_are_those_of_each_element_by_itself(store, genes, element_table, elements):
    values, first = elements.binned(5, [0, 1, 2])
    turned, _ = elements.binned(5, [0, 1, 2], turn=True)
    strand = genes.set_index("gene")["strand"]
    for e, row in enumerate(element_table.itertuples()):
        lo, hi = row.start // 100, -(-row.end // 100)
        lo = max(lo, (lo + hi) // 2 - 50)
        own = store.read(row.chrom, lo, min(hi, lo + 100))
        parts = [own[:, k : k + 5].mean(axis=1) for k in range(0, own.shape[1], 5)]
        expected = np.log2(1 + np.array(parts).T)
        np.testing.assert_allclose(values[:, first[e] : first[e + 1]], expected, rtol=1e-5)
        if strand[row.gene] == "-":
            own = own[:, ::-1]
        parts = [own[:, k : k + 5].mean(axis=1) for k in range(0, own.shape[1], 5)]
        expected = np.log2(1 + np.array(parts).T)
        np.testing.assert_allclose(turned[:, first[e] : first[e + 1]], expected, rtol=1e-5)
    assert set(strand) == {"+", "-"}


def test_elements_follow_their_genes(marks, elements, tmp_path):
    whole = marks_with(marks, elements)
    rows = np.array([17, 3, 90])
    part = whole.of(rows).elements
    for k, row in enumerate(rows):
        own = np.flatnonzero(elements.gene == row)
        there = np.flatnonzero(part.gene == k)
        np.testing.assert_array_equal(part.frequency[there], elements.frequency[own])
        for a, b in zip(there, own):
            np.testing.assert_array_equal(
                part.values[:, part.first[a] : part.first[a + 1]],
                elements.values[:, elements.first[b] : elements.first[b + 1]],
            )
    whole.save(tmp_path / "marks.h5")
    again = open_marks(tmp_path / "marks.h5")
    np.testing.assert_array_equal(again.elements.values, elements.values)
    chosen = again.select(["noise"], ["none"], 100)
    np.testing.assert_array_equal(chosen.elements.values, elements.values[2:])


def marks_with(marks, elements):
    return replace(marks, elements=elements)


def test_features_of_elements_are_means_by_frequency(marks, elements):
    table = marks_with(marks, elements).of_elements()
    own = np.flatnonzero(elements.gene == 3)
    means = [
        np.log2(1 + elements.values[:, elements.first[e] : elements.first[e + 1]].mean(axis=1))
        for e in own
    ]
    weighted = np.average(means, axis=0, weights=elements.frequency[own])
    np.testing.assert_allclose(table[3, :3], weighted, rtol=1e-5)
    np.testing.assert_allclose(table[3, 3:6], np.max(means, axis=0), rtol=1e-5)
    assert table[3, 6] == len(own)
    lonely = np.setdiff1d(np.arange(len(marks)), elements.gene)
    assert len(lonely)
    assert not table[lonely].any()
    with pytest.raises(InputError, match="reads elements, and the genes have none"):
        marks.of_elements()


def test_shuffled_elements_are_another_genes_and_as_many(marks, elements, caplog):
    whole = marks_with(marks, elements)
    found = apply_control(whole, "shuffled-elements", seed=1).elements
    np.testing.assert_array_equal(found.gene, elements.gene)
    np.testing.assert_array_equal(found.rank, elements.rank)
    np.testing.assert_array_equal(found.distance, elements.distance)
    assert (np.abs(found.place - elements.place) > APART[0]).all()
    assert found.values.shape[0] == 3
    distance = pd.Series(elements.distance).abs().groupby(elements.gene).mean()
    order = {place: k for k, place in enumerate(elements.place)}
    source = [order[place] for place in found.place]
    np.testing.assert_array_equal(found.frequency, elements.frequency[source])  # theirs, too
    donor = elements.gene[source]
    theirs = distance[donor].to_numpy()
    assert np.corrcoef(np.log(distance[elements.gene]), np.log(theirs))[0, 1] > 0.5
    near = replace(elements, place=elements.place // 20)  # all within two Mb
    table = apply_control(marks_with(marks, near), "shuffled-elements", seed=1).elements
    assert (table.place != near.place).all()
    assert "less than 2000000 bp away" in caplog.text
    few = whole.of(np.flatnonzero(np.bincount(elements.gene, minlength=len(marks)))[:1])
    with pytest.raises(InputError, match=r"no other gene has .* to shuffle them with"):
        apply_control(few, "shuffled-elements", seed=1)


def test_controls_leave_what_they_say(marks, elements):
    whole = marks_with(marks, elements)
    seen = {control: apply_control(whole, control, seed=1) for control in CONTROLS}
    assert len(seen["no-elements"].elements) == len(seen["promoter-only"].elements) == 0
    np.testing.assert_array_equal(seen["no-elements"].around, marks.around)
    assert np.isnan(seen["elements-only"].around).all()
    assert np.isnan(seen["elements-only"].body).all()
    np.testing.assert_array_equal(seen["elements-only"].elements.values, elements.values)
    left = np.isfinite(seen["promoter-only"].around).any(axis=(0, 1))
    assert np.flatnonzero(left).tolist() == list(range(90, 110))
    permuted = seen["permuted-marks"]
    assert not np.array_equal(permuted.elements.values, elements.values)
    np.testing.assert_allclose(permuted.elements.values.sum(), elements.values.sum(), rtol=1e-4)
    assert apply_control(whole, "", seed=1) is whole
    with pytest.raises(InputError, match="control 'other' is unknown; expected one of no-"):
        apply_control(whole, "other", seed=1)
    with pytest.raises(InputError, match="the genes have none"):
        apply_control(marks, "no-elements", seed=1)
