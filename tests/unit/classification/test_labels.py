"""The sheet, and labels on bins by kind."""

import numpy as np
import pytest

from chromloom.classification.labels import load_labels, read_label_sheet
from chromloom.errors import InputError


@pytest.fixture
def labels_of(write_sheet, tmp_path, bins):
    """Labels of one task from a file's text."""

    def make(text, others=(), **row):
        path = tmp_path / "file.txt"
        path.write_text(text)
        sheet = read_label_sheet(write_sheet({"path": path} | row, *others))
        return load_labels(sheet, bins)["task"]

    return make


def positives(labels):
    return np.flatnonzero(labels.y == 1).tolist()


FIRST2 = 601  # first bin of chr2


def test_binary_is_overlap(labels_of):
    labels = labels_of("chr1\t100000\t100001\nchr1\t149999\t150001\nchr2\t0\t50000\n")
    assert positives(labels) == [2, 3, FIRST2]
    assert labels.n_intervals == 3
    assert not labels.candidates[[2, 3, FIRST2]].any()
    assert not labels.candidates[[5, 6]].any()  # masked
    assert labels.candidates.sum() == 1001 - 3 - 4


def test_negatives_come_from_labelled_chromosomes_only(labels_of):
    labels = labels_of("chr2\t0\t50000\n")
    assert not labels.candidates[:FIRST2].any()


def test_masked_bins_have_no_label(labels_of):
    assert positives(labels_of("chr1\t200000\t400000\n")) == [4, 7]


LOOP = "chr1\t500000\t550000\tchr1\t700000\t750000\n"


def test_pairs_of_intervals(labels_of):
    span = labels_of(LOOP, format="bedpe")
    assert positives(span) == [10, 11, 12, 13, 14]
    anchors = labels_of(LOOP, format="bedpe", kind="anchors")
    assert positives(anchors) == [10, 14]
    boundaries = labels_of(LOOP, format="bedpe", kind="boundaries")
    assert positives(boundaries) == [10, 15]


def test_boundaries_of_neighbouring_domains_coincide(labels_of):
    text = "chr1\t500000\t700000\nchr1\t700000\t900000\nchr1\t29000000\t30010000\n"
    labels = labels_of(text, kind="boundaries")
    assert positives(labels) == [10, 14, 18, 580, 600]


def test_signal_is_the_mean_against_the_threshold(labels_of):
    text = "chr1\t0\t1\t-1\nchr1\t5\t6\t2\nchr1\t50000\t50001\t-3\nchr1\t100000\t100001\tNaN\n"
    labels = labels_of(text, format="bedgraph", kind="signal")
    assert labels.y[:3].tolist() == [1, 0, -1]
    assert not labels.candidates.any()
    high = labels_of(text.replace("NaN", "9"), format="bedgraph", kind="signal", threshold="1")
    assert high.y[:3].tolist() == [0, 0, 1]


def test_expression_is_that_of_the_most_active_gene(labels_of):
    text = "chrom\ttss\tcpm\nchr1\t1\t0\nchr1\t50000\t0.5\nchr1\t50001\t0.1\n"
    labels = labels_of(text, format="expression", kind="expression")
    assert labels.y[:3].tolist() == [1, 0, -1]


def test_multiclass_takes_the_larger_overlap_and_drops_na(labels_of):
    text = "chr1\t0\t70000\tA1\nchr1\t70000\t100000\tB2\nchr1\t100000\t150000\tNA\n"
    text += "chr1\t150000\t200000\tA2\n"
    labels = labels_of(text, kind="multiclass")
    assert labels.classes == ("A1", "A2", "B2")
    assert labels.y[:4].tolist() == [0, 2, -1, 1]


def test_select_and_threshold_choose_rows(labels_of):
    text = "chr1\t0\t50000\tTAD\t1\nchr1\t50000\t100000\tsubTAD\t5\n"
    assert positives(labels_of(text, select="subTAD")) == [1]
    assert positives(labels_of(text, threshold="2")) == [1]


def test_with_and_without_look_one_bin_around(labels_of, tmp_path):
    ctcf = tmp_path / "ctcf.bed"
    ctcf.write_text("chr1\t510000\t510010\n")
    text = "chr1\t550000\t560000\nchr1\t900000\t910000\n"  # bins 11 and 18
    other = {"task": "CTCF", "path": ctcf}
    assert positives(labels_of(text, [other], **{"with": "CTCF"})) == [11]
    without = labels_of(text, [other], without="CTCF")
    assert positives(without) == [18]
    assert not without.candidates[11]


def test_a_task_without_positives_left_is_left_out(write_sheet, bins, tmp_path, caplog):
    path = tmp_path / "file.bed"
    path.write_text("chr1\t550000\t560000\n")
    rows = [{"path": path, "without": "other"}, {"path": path, "task": "other"}]
    found = load_labels(read_label_sheet(write_sheet(*rows)), bins)
    assert set(found) == {"other"}
    assert "task is left out" in caplog.text


@pytest.mark.parametrize("column", ["with", "without"])
def test_a_task_without_labels_on_the_map_is_left_out(write_sheet, bins, tmp_path, caplog, column):
    here, masked = tmp_path / "here.bed", tmp_path / "masked.bed"
    here.write_text("chr1\t550000\t560000\n")
    masked.write_text("chr1\t260000\t270000\n")
    sheet = write_sheet(
        {"task": "none", "path": masked},
        {"task": "near", "path": here, column: "none"},
        {"task": "here", "path": here},
    )
    found = load_labels(read_label_sheet(sheet), bins)
    assert list(found) == {"with": ["here"], "without": ["near", "here"]}[column]
    assert "task none is left out" in caplog.text
    assert "labels no unmasked bin" in caplog.text


def test_pairs_keep_their_label(labels_of):
    text = "enhancer_name,promoter_name,label\n"
    text += "x|chr1:500000-500100,x|chr1:900000-900100,0\n"
    text += "x|chr1:910000-910100,x|chr1:510000-510100,1\n"  # the same bins, other order: positive
    text += "x|chr1:500000-500100,x|chr1:250000-250100,1\n"  # bin 5 is masked
    text += "x|chr2:500000-500100,x|chr2:900000-900100,0\n"
    pairs = labels_of(text, format="targetfinder", kind="pairs").pairs
    assert pairs.to_numpy().tolist() == [[10, 18, 1], [FIRST2 + 10, FIRST2 + 18, 0]]


@pytest.mark.parametrize(
    ("row", "text", "message"),
    [
        ({}, "chr1\t260000\t270000\n", "labels no unmasked bin"),
        ({}, "chr2\t0\t20000000\nchr1\t0\t30010000\n", "one class only"),
        (
            {"format": "bedgraph", "kind": "signal"}, "chr1\t0\t1\t5\nchr1\t99999\t100000\t6\n",
            "one class only",
        ),
        ({"kind": "multiclass"}, "chr1\t0\t900000\tA\n", "one class only"),
        (
            {"format": "targetfinder", "kind": "pairs"},
            "enhancer_name,promoter_name,label\nx|chr1:1-2,x|chr1:900000-900001,0\n",
            "one class only",
        ),
        ({"select": "B"}, "chr1\t0\t1\tA\n", "named 'B'"),
        ({}, "chr1\t0\t99000001\n", "99000001"),
        ({}, "chrZ\t0\t1\n", "chrZ"),
    ],
)  # fmt: skip
def test_unusable_labels_are_an_error(labels_of, row, text, message):
    with pytest.raises(InputError, match=message) as error:
        labels_of(text, **row)
    assert "file.txt" in str(error.value)


def test_the_sheet_is_completed_and_filtered(write_sheet, signal_bed, tmp_path):
    path = write_sheet(
        {"path": f"{signal_bed},{signal_bed.name}", "circular": "yes"},
        {"path": signal_bed, "task": "other", "cell_type": "B"},
        {"path": signal_bed, "task": "any", "cell_type": "*"},
    )
    sheet = read_label_sheet(path, cell_type="A", assembly="tiny")
    assert list(sheet.index) == ["task", "any"]
    assert sheet.loc["task", "path"] == [signal_bed, tmp_path / signal_bed.name]
    assert bool(sheet.loc["task", "circular"])
    assert np.isnan(sheet.loc["task", "threshold"])


def test_two_cell_types_may_share_a_task(write_sheet, signal_bed):
    path = write_sheet({"path": signal_bed}, {"path": signal_bed, "cell_type": "B"})
    assert len(read_label_sheet(path)) == 2
    assert len(read_label_sheet(path, cell_type="B")) == 1


def test_environment_variables_are_filled_in(write_sheet, signal_bed, monkeypatch):
    monkeypatch.setenv("LABELS", str(signal_bed.parent))
    sheet = read_label_sheet(write_sheet({"path": "$LABELS/signal.bed"}))
    assert sheet.loc["task", "path"] == [signal_bed]


BAD_ROWS = {
    "format": ({"format": "xls"}, "format 'xls' is unknown"),
    "kind": ({"kind": "fuzzy"}, "kind 'fuzzy' is unknown"),
    "circular": ({"circular": "maybe"}, "circular 'maybe'"),
    "task": ({"task": "a/b"}, "a/b"),
    "threshold": ({"threshold": "high"}, "threshold 'high'"),
    "two dots": ({"threshold": "1.2.3"}, "threshold '1.2.3'"),
    "assembly": ({"assembly": "hg38"}, "hg38"),
    "path": ({"path": "absent.bed"}, r"absent\.bed"),
    "anchors": ({"kind": "anchors"}, "needs pairs"),
    "with": ({"with": "nothing"}, "with 'nothing'"),
    "column": ({"colour": "red"}, "unknown column 'colour'"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_errors(write_sheet, signal_bed, case):
    row, message = BAD_ROWS[case]
    with pytest.raises(InputError, match=message):
        read_label_sheet(write_sheet({"path": signal_bed} | row), assembly="tiny")


def test_bad_sheets_are_errors(write_sheet, signal_bed, tmp_path):
    path = write_sheet({"path": signal_bed}, {"path": signal_bed})
    with pytest.raises(InputError, match="more than one row"):
        read_label_sheet(path)
    with pytest.raises(InputError, match="cell type 'B'"):
        read_label_sheet(path, cell_type="B")
    text = path.read_text().replace("circular", "circle")
    path.write_text(text)
    with pytest.raises(InputError, match="column 'circular' is missing"):
        read_label_sheet(path)
    with pytest.raises(InputError, match="does not exist"):
        read_label_sheet(tmp_path / "absent.tsv")


STATES = ["Active TSS", "Active enhancer", "Weak enhancer", "Weak transcription"]


def states(names, scores):
    rows = [
        f"chr1\t{k * 50_000}\t{(k + 1) * 50_000}\t{name}\t{score}\t.\t0,0,0\n"
        for k, (name, score) in enumerate(zip(names, scores))
    ]
    return 'track name="states" description="made up"\n' + "".join(rows)


def test_names_with_blanks_are_classes_of_their_own(labels_of):
    labels = labels_of(states(STATES, [0, 100, 200, 300]), kind="multiclass")
    assert labels.classes == tuple(STATES)
    chosen = labels_of(states(STATES, [0, 100, 200, 300]), select="Active TSS, Weak enhancer")
    assert chosen.n_intervals == 2


def test_scores_stand_beside_names_with_blanks_and_beside_empty_ones(labels_of):
    for names in (STATES, ["", "Active TSS", "", "#1"]):
        assert labels_of(states(names, [0, 100, 200, 300]), threshold=150).n_intervals == 2


def test_a_threshold_where_no_row_has_a_score_is_refused(labels_of):
    with pytest.raises(InputError, match="threshold 5, but no row of the file has a score"):
        labels_of(states(STATES, ["."] * 4), threshold=5)
