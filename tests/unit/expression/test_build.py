"""From files of genes, expression, signals and interactions to what models learn from."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.expression.added import read_added
from chromloom.expression.build import build_genes
from chromloom.expression.features import open_marks
from chromloom.files import read_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.genome.bins import make_bins
from chromloom.representations.parquet import write_representations
from chromloom.signals.sheet import SignalSource
from chromloom.signals.tracks import write_bigwig
from chromloom.signals.write import bin_signals

SIZES = {"chr1": 400_000, "chr2": 400_000}
TSS = range(50_000, 350_000, 25_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve genes per chromosome, each touched by the bin 100 kb downstream, where a peak lies."""
    folder = tmp_path_factory.mktemp("build")
    (folder / "chrom.sizes").write_text("".join(f"{c}\t{n}\n" for c, n in SIZES.items()))
    genes, peaks, pairs, values = [], [], [], ["gene\tA\n"]
    for chrom in SIZES:
        for k, start in enumerate(TSS):
            genes.append(f"{chrom}\t{start}\t{start + 5_000}\t{chrom}g{k}\t0\t+\n")
            values.append(f"{chrom}g{k}\t{k}\n")
            place = (start + 100_000) // 10_000 * 10_000
            if place + 10_000 <= SIZES[chrom]:
                peaks.append(f"{chrom}\t{place}\t{place + 10_000}\t.\t0\t.\t{k + 1}\t1\t1\n")
                pairs.append(f"{chrom}\t{start}\t{start + 1}\t{chrom}\t{place}\t{place + 10_000}"
                             f"\t.\t3\n")  # fmt: skip
    for name, rows in {"genes.bed": genes, "peaks.broadPeak": peaks, "pairs.bedpe": pairs,
                       "table.tsv": values}.items():  # fmt: skip
        (folder / name).write_text("".join(rows))
    source = SignalSource("mark", "A", str(folder / "peaks.broadPeak"), "broadPeak")
    bin_signals([source], load_assembly(folder / "chrom.sizes"), folder / "store.h5")
    bins = make_bins(pd.Series(SIZES), 10_000).assign(weight=1.0)
    i, j = np.triu_indices(40)
    i, j = np.concatenate([i, i + 40]), np.concatenate([j, j + 40])  # both chromosomes
    value = np.where(j - i == 10, 4.0, 1.0)  # alike at its distance, but for one pair
    value[(i % 40 == 5) & (j == i + 10)] = 40.0
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": 1, "value": value})
    cooler.create_cooler(str(folder / "map.cool"), bins, pixels, columns=["count", "value"],
                         dtypes={"value": "f4"})  # fmt: skip
    return folder


def build(folder, **options):
    build_genes(
        folder / "genes.bed", folder / "table.tsv", folder / "store.h5", folder / "genes.tsv",
        folder / "marks.h5", folder / "elements.tsv", column="A", folds="chromosome", **options,
    )  # fmt: skip
    return read_tsv(folder / "elements.tsv"), open_marks(folder / "marks.h5")


def test_elements_of_a_file_have_their_signals(folder):
    elements, marks = build(folder, interactions_path=folder / "pairs.bedpe")
    downstream = elements["distance"] > 0  # the others are genes that lie in a gene's element
    assert downstream.sum() == 20
    assert len(marks.elements) == len(elements)
    means = [
        marks.elements.values[0, a:b].mean()
        for a, b in zip(marks.elements.first[:-1], marks.elements.first[1:])
    ]
    number = elements["gene"].str.split("g").str[1].astype(int)
    assert (np.array(means) >= number + 1 - 1e-3)[downstream].all()


def test_elements_of_a_map_are_pairs_above_their_distance(folder):
    elements, _ = build(folder, interactions_path=folder / "map.cool", strength="value",
                        max_distance=200_000)  # fmt: skip
    assert elements[["gene", "start"]].to_numpy().tolist() == [
        ["chr1g0", 150_000], ["chr1g4", 50_000], ["chr2g0", 150_000], ["chr2g4", 50_000],
    ]  # fmt: skip
    assert elements["frequency"].iloc[0] == pytest.approx(40 / ((29 * 4 + 40) / 30))
    options = {"columns": ["count", "value"], "dtypes": {"value": "f4"}}
    cooler.zoomify_cooler(str(folder / "map.cool"), str(folder / "map.mcool"), [10_000, 20_000],
                          100_000, **options)  # fmt: skip
    again, _ = build(folder, interactions_path=folder / "map.mcool", strength="value",
                     max_distance=200_000)  # fmt: skip
    pd.testing.assert_frame_equal(again, elements)


def test_without_interactions_there_are_no_elements(folder):
    elements, marks = build(folder)
    assert elements.empty
    assert marks.elements is None
    assert len(marks) == 24


def test_added_features_are_what_files_have_at_the_tss(folder):
    build(folder)
    genes = read_tsv(folder / "genes.tsv")
    bins = make_bins(pd.Series(SIZES), 10_000)
    values = np.arange(2 * len(bins), dtype=np.float32).reshape(-1, 2)
    values[3] = np.nan  # a masked bin
    table = bins.assign(masked=np.isnan(values[:, 0]), r0=values[:, 0], r1=values[:, 1])
    write_representations(table, folder / "vectors.parquet")
    write_bigwig(table[table["chrom"] == "chr1"], "r0", folder / "track.bw", pd.Series(SIZES))
    added = {"vectors": folder / "vectors.parquet", "track": folder / "track.bw"}
    _, marks = build(folder, added=added)
    first = bins.index[bins["start"] == 0][(genes["chrom"] == "chr2").astype(int)]
    np.testing.assert_array_equal(marks.added["vectors"], values[first + genes["tss"] // 10_000])
    on_second = (genes["chrom"] == "chr2").to_numpy()
    assert np.isnan(marks.added["track"][on_second]).all()
    np.testing.assert_array_equal(marks.added["track"][~on_second, 0],
                                  marks.added["vectors"][~on_second, 0])  # fmt: skip
    with pytest.raises(InputError, match=r"'track': .*has nothing at the TSS of any of the 12"):
        read_added({"track": folder / "track.bw"}, genes[on_second], pd.Series(SIZES))
