"""Values of bins from files of every format, against a mean over single bases."""

import gzip

import numpy as np
import pandas as pd
import pybedtools
import pyBigWig
import pysam
import pytest

from chromloom.errors import InputError
from chromloom.genome.assembly import Assembly
from chromloom.signals.read import find_format, read_signal
from chromloom.signals.sheet import SignalSource, signal_sources

SIZES = pd.Series({"chr1": 1_050, "chr2": 400})
NONE = pd.DataFrame({"chrom": [], "start": [], "end": []})
NAN = np.nan


def write(path, rows):
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path, bin_size=100, blacklist=NONE, sizes=SIZES, centromeres=NONE, **options):
    assembly = Assembly("toy", sizes, centromeres, blacklist)
    source = SignalSource("s", "cell", str(path), **options)
    found = {}
    for signal, chrom, values in read_signal(source, assembly, bin_size):
        assert values.dtype == np.float32
        assert len(values) == -(-int(sizes[chrom]) // bin_size)
        assert (signal, chrom) not in found
        found[signal, chrom] = values
    return found


def bases(rows, chrom, blacklist=NONE, *, zero, combine=max):
    """Values of single bases, NaN = missing."""
    held = [[] for _ in range(SIZES[chrom])]
    for name, start, end, value in rows:
        if name == chrom:
            for base in range(start, end):
                held[base].append(value)
    track = np.array([combine(v) if v else (0.0 if zero else NAN) for v in held])
    for name, start, end in blacklist.itertuples(index=False):
        if name == chrom:
            track[int(start) : int(end)] = NAN
    return track


def means(track, bin_size):
    """The definition, bin by bin."""
    out = []
    for lo in range(0, len(track), bin_size):
        part = track[lo : lo + bin_size]
        known = part[np.isfinite(part)]
        missing = len(part) - len(known)
        out.append(known.mean() if len(known) and 2 * missing <= len(part) else NAN)
    return np.array(out)


def random_rows(seed, n=40, *, overlap):
    rng, rows = np.random.default_rng(seed), []
    for chrom, size in SIZES.items():
        if overlap:
            starts = np.sort(rng.integers(0, size - 1, n))
            ends = np.minimum(starts + rng.integers(1, 150, n), size)
        else:
            cuts = np.sort(rng.choice(size + 1, 2 * n, replace=False))
            starts, ends = cuts[::2], cuts[1::2]
        rows += [
            (chrom, int(a), int(b), float(v)) for a, b, v in zip(starts, ends, rng.normal(3, 1, n))
        ]
    return rows


BLACKLIST = pd.DataFrame(
    [("chr1", 130, 260), ("chr1", 240, 300), ("chr1", 1_000, 1_050), ("chr2", 5, 9)],
    columns=["chrom", "start", "end"],
)


@pytest.mark.parametrize("blacklist", [NONE, BLACKLIST], ids=["", "blacklist"])
@pytest.mark.parametrize("absent", ["zero", "missing"])
@pytest.mark.parametrize("kind", ["bigwig", "bedgraph"])
def test_tracks_are_means_over_known_bases(tmp_path, kind, absent, blacklist, monkeypatch):
    monkeypatch.setattr("chromloom.signals.read.BLOCK", 200)  # bp of a bigWig read at a time
    rows = random_rows(1, overlap=False)
    if kind == "bigwig":
        path = tmp_path / "x.bw"
        handle = pyBigWig.open(str(path), "w")
        handle.addHeader([(chrom, int(size)) for chrom, size in SIZES.items()])
        for chrom, start, end, value in rows:
            handle.addEntries([chrom], [start], ends=[end], values=[value])
        handle.close()
    else:
        path = write(tmp_path / "x.bedgraph.gz", rows)
    for bin_size in (30, 100, 5_000):
        found = read(path, bin_size, blacklist, absent=absent)
        for chrom in SIZES.index:
            track = bases(rows, chrom, blacklist, zero=absent == "zero")
            np.testing.assert_allclose(found["s", chrom], means(track, bin_size), rtol=1e-5)


def test_intervals_without_length_are_one_base_and_nested_ones_are_no_order(tmp_path):
    rows = [("chr1", 10, 10), ("chr1", 100, 180), ("chr1", 110, 120), ("chr1", 130, 140)]
    found = read(write(tmp_path / "x.bed", rows), format="bed")
    np.testing.assert_allclose(found["s", "chr1"][:2], [0.01, 0.8])


@pytest.mark.parametrize("blacklist", [NONE, BLACKLIST], ids=["", "blacklist"])
@pytest.mark.parametrize("column", ["signalValue", "7", "presence", "score"])
def test_of_overlapping_peaks_the_highest_counts(tmp_path, column, blacklist):
    rows = random_rows(2, overlap=True)
    path = write(
        tmp_path / "x.narrowPeak.gz",
        [(c, a, b, ".", round(100 * v), ".", v, -1, -1, 1) for c, a, b, v in rows],
    )
    found = read(path, 100, blacklist, column=column)
    value = {"presence": lambda v: 1.0, "score": lambda v: float(round(100 * v))}
    rows = [(c, a, b, value.get(column, float)(v)) for c, a, b, v in rows]
    for chrom in SIZES.index:
        track = bases(rows, chrom, blacklist, zero=True)
        np.testing.assert_allclose(found["s", chrom], means(track, 100), rtol=1e-5)


def test_a_peak_over_half_a_bin_is_half_its_value(tmp_path):
    path = write(tmp_path / "x.bed", [("1", 50, 100, "x", 8)])
    found = read(path, column="score", format="bed")["s", "chr1"]
    assert found.tolist() == [4.0] + [0.0] * 10


def test_a_centromere_without_peaks_is_missing_not_zero(tmp_path):
    centromeres = pd.DataFrame({"chrom": ["chr1"], "start": [200], "end": [360]})
    path = write(tmp_path / "x.bed", [("chr1", 0, 50)])
    found = read(path, format="bed", centromeres=centromeres)["s", "chr1"]
    assert found[:5].tolist() == pytest.approx([0.5, 0, NAN, NAN, 0], nan_ok=True)
    path = write(tmp_path / "x.bedgraph", [("chr1", 0, 400, 2.0)])
    assert (read(path, centromeres=centromeres)["s", "chr1"][:4] == 2).all()  # data is data


def test_a_chromosome_that_a_file_does_not_name_is_missing(tmp_path):
    path = write(tmp_path / "x.bed", [("chr1", 50, 100)])
    assert set(read(path, format="bed")) == {("s", "chr1")}


def test_a_bin_is_masked_where_more_than_half_is_missing(tmp_path):
    path = write(tmp_path / "x.bedgraph", [("chr1", 0, 50, 1), ("chr1", 100, 149, 1)])
    assert read(path)["s", "chr1"][:2].tolist() == pytest.approx([1, NAN], nan_ok=True)


@pytest.mark.parametrize("column", [4, 5])
def test_each_state_of_a_segmentation_is_a_share_of_the_bin(tmp_path, column):
    rows = [("chr1", 0, 130, "TssA"), ("chr1", 130, 200, "Quies"), ("chr1", 300, 340, "TssA")]
    if column == 5:
        rows = [(*row[:3], 0, row[3]) for row in rows]
    path = write(tmp_path / "x.bed.gz", rows)
    found = read(path, format="segmentation", column=str(column))
    assert set(found) == {("s:TssA", "chr1"), ("s:Quies", "chr1")}
    tss = found["s:TssA", "chr1"]
    assert tss[:4].tolist() == pytest.approx([1, 0.3, NAN, NAN], nan_ok=True)
    known = np.isfinite(tss)
    assert (tss + found["s:Quies", "chr1"])[known] == pytest.approx(1)
    zero = read(path, format="segmentation", column=str(column), absent="zero")
    assert zero["s:TssA", "chr1"][:5].tolist() == pytest.approx([1, 0.3, 0, 0.4, 0])


def test_motifs_are_two_strands(tmp_path):
    rows = [("chr1", 0, 20, "m", 6.0, "+"), ("chr1", 10, 20, "m", 9.0, "-")]
    found = read(write(tmp_path / "x.bed", rows), format="motifs")
    assert found["s+", "chr1"][0] == pytest.approx(1.2)
    assert found["s-", "chr1"][0] == pytest.approx(0.9)
    bad = write(tmp_path / "y.bed", [("chr1", 0, 20, "m", 6.0, ".")])
    with pytest.raises(InputError, match=r"y\.bed.*line 1"):
        read(bad, format="motifs")


@pytest.fixture
def reads(tmp_path):
    """A BAM with a duplicate, a secondary and an unmapped read, and its counted reads as rows."""
    rng, path, rows = np.random.default_rng(4), tmp_path / "x.bam", []
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": chrom, "LN": int(size)} for chrom, size in SIZES.items()],
    }
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for number, (chrom, size) in enumerate(SIZES.items()):
            for k, start in enumerate(np.sort(rng.integers(0, size - 36, 30))):
                read = pysam.AlignedSegment(file.header)
                read.query_name, read.query_sequence = f"{chrom}.{k}", "A" * 36
                read.reference_id, read.reference_start = number, int(start)
                read.cigarstring, read.mapping_quality = "36M", 60
                read.flag = {0: 1024, 1: 256, 2: 4}.get(k, 16 * (k % 2))
                file.write(read)
                if k > 2:
                    rows.append((chrom, int(start), int(start) + 36, 1.0))
    return path, rows


@pytest.mark.parametrize("column", ["CPM", "RPGC"])
def test_reads_are_depth(tmp_path, reads, column):
    bam, rows = reads
    tags = write(tmp_path / "x.tagAlign.gz", [(*row[:3], "N", 1000, "+") for row in rows])
    by_bam, by_tags = read(bam, column=column), read(tags, column=column)
    scale = 1e6 / len(rows) if column == "CPM" else SIZES.sum() / (36 * len(rows))
    for chrom in SIZES.index:
        expected = scale * means(bases(rows, chrom, zero=True, combine=sum), 100)
        np.testing.assert_allclose(by_bam["s", chrom], expected, rtol=1e-5)
        np.testing.assert_allclose(by_tags["s", chrom], expected, rtol=1e-5)
    named = read(bam, column="RPGC", effective_genome_size=1_000)
    assert named["s", "chr1"] == pytest.approx(
        read(bam, column="RPGC")["s", "chr1"] * 1_000 / SIZES.sum()
    )


def test_tags_are_what_genomecov_gives(tmp_path, reads):
    rows = reads[1]
    sizes = write(tmp_path / "sizes", SIZES.items())
    counted = pybedtools.BedTool([row[:3] for row in rows]).genome_coverage(bg=True, g=str(sizes))
    depth = [(row.chrom, row.start, row.end, float(row[3])) for row in counted]
    tags = write(tmp_path / "x.tagAlign", [(*row[:3], "N", 1000, "+") for row in rows])
    found = read(tags)
    for chrom in SIZES.index:
        expected = 1e6 / len(rows) * means(bases(depth, chrom, zero=True), 100)
        np.testing.assert_allclose(found["s", chrom], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "cells", "format"),
    [
        ("x.txt", ("chr1", 0, 10, 0.5), "bedgraph"),
        ("x.bed", ("chr1", 0, 10, ".", 5, ".", 1.5, -1, -1, 3), "narrowPeak"),
        ("x.gz", ("chr1", 0, 10, ".", 5, ".", 1.5, -1, -1), "broadPeak"),
        ("x.tagAlign.gz", ("chr1", 0, 10, "N", 1000, "+"), "tagAlign"),
    ],
)
def test_format_is_told_by_content(tmp_path, name, cells, format):
    path = write(tmp_path / name, [cells])
    assert find_format(SignalSource("s", "cell", str(path))) == format


def test_what_has_to_be_named(tmp_path):
    path = write(tmp_path / "x.bed", [("chr1", 0, 10, "m", 5, "+")])
    with pytest.raises(InputError, match=r"x\.bed has 6 columns.*name it in the column format"):
        read(path)


def bad_bigwig(tmp_path, sizes=SIZES, cut=0, value=1.0):
    path = tmp_path / "x.bw"
    handle = pyBigWig.open(str(path), "w")
    handle.addHeader([(chrom, int(size)) for chrom, size in sizes.items()])
    handle.addEntries(["chr1"], [0], ends=[100], values=[value])
    handle.close()
    path.write_bytes(path.read_bytes()[: -cut or None])
    return path


@pytest.mark.parametrize("cut", [1, 100, 300])
def test_a_bigwig_that_is_cut_off_is_named(tmp_path, cut):
    path = bad_bigwig(tmp_path, cut=cut)
    with pytest.raises(InputError, match=r"'s' of 'cell': .*x\.bw (is cut off|cannot be read)"):
        read(path)


def test_other_bad_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.bw does not exist"):
        read(tmp_path / "none.bw")
    with pytest.raises(InputError, match=r"x\.bw: chromosome chr1 has 2,000 bp, chr1 of the ass"):
        read(bad_bigwig(tmp_path, pd.Series({"chr1": 2_000})))
    with pytest.raises(InputError, match=r"holds infinite values"):
        read(bad_bigwig(tmp_path, value=np.inf))
    path = write(tmp_path / "a.bedgraph", [("chr1", 0, 10, 1), ("chr1", 1_000, 1_060, 1)])
    with pytest.raises(
        InputError, match=r"a\.bedgraph, line 2: chr1:1000-1060 .* another assembly"
    ):
        read(path)
    path = write(tmp_path / "b.bedgraph", [("chr1", 0, 100, 1), ("chr1", 50, 120, 2)])
    with pytest.raises(InputError, match=r"intervals overlap near chr1:0"):
        read(path)
    path = write(tmp_path / "c.bedgraph", [("chr1", 0, 100, 1), ("chr1", 100, 120, "nan")])
    assert np.isnan(read(path)["s", "chr1"][1])
    with pytest.raises(InputError, match=r"line 2: value nan under transform log1p"):
        read(path, transform="log1p")
    path = write(tmp_path / "d.bed", [("chr1", 0, 10, "m", "x")])
    with pytest.raises(InputError, match=r"d\.bed.*line 1"):
        read(path, format="bed", column="score")
    path = write(tmp_path / "e.bedgraph", [("chrZ", 0, 100, 1)])
    with pytest.raises(InputError, match=r"e\.bedgraph: none of its chromosome names"):
        read(path)
    (tmp_path / "f.bam").write_bytes(gzip.compress(b"BAM\1"))
    with pytest.raises(InputError, match=r"f\.bam cannot be read as BAM"):
        read(tmp_path / "f.bam")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("track type=wiggle_0\nfixedStep chrom=chr1 start=1\n5\n", "is wiggle text; make a bigWig"),
        ("variableStep chrom=chr1\n1 5\n", "is wiggle text"),
        ("@HD\tVN:1.6\n", "is a SAM file; make a sorted BAM"),
        ("<html>\n", "is a web page"),
    ],
)
def test_other_formats_are_named_with_what_makes_a_track_of_them(tmp_path, text, message):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(InputError, match=rf"signal 's' of 'cell': \S+x.txt {message}"):
        read(tmp_path / "x.txt")


def test_a_message_has_the_path_once(tmp_path):
    path = write(tmp_path / "x.bedgraph", [("chr1", 0, 10, 1), ("chr1", 10, 20, "high")])
    with pytest.raises(InputError, match=r"^signal 's' of 'cell': \S+x.bedgraph, line 2: value"):
        read(path)


def test_a_value_that_a_peak_does_not_have_is_none(tmp_path):
    path = write(tmp_path / "x", [("chr1", 0, 10, "p", 5, ".", 7.5, -1, 3.5, 5)])
    assert read(path, column="qValue")["s", "chr1"][0] == pytest.approx(0.35)
    with pytest.raises(InputError, match="line 1: pValue is -1, which says that there is none"):
        read(path, column="pValue")


def row(**cells):
    return {"signal": "s", "cell_type": "A", "assembly": "x", "path": "f.bw"} | cells


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(), row()], "'A' has the signal 's' twice"),
        ([row(format="bam", column="score")], "column 'score' of a bam file; expected CPM or RPGC"),
        ([row(format="bed", column="height")], "column 'height' of a bed file; expected presence"),
        ([row(format="bigwig", column="4")], "expected an empty cell"),
        ([row(reference="B")], "reference 'B' has no signal 's'"),
        ([row(reference="A")], "has to be another cell type"),
        (
            [row(reference="B"), row(cell_type="B", transform="log1p")],
            "with the same transform .none.*it has transform log1p",
        ),
    ],
)
def test_a_bad_sheet(rows, message):
    with pytest.raises(InputError, match=message):
        signal_sources(pd.DataFrame(rows).fillna(""), path="signals.tsv")
