"""Coolers that are not what a cooler should be: read at the right place, or refused in one line."""

import cooler
import h5py
import numpy as np
import pandas as pd
import pytest

from chromloom.contacts.qc import contacts_qc
from chromloom.contacts.sources import open_source
from chromloom.contacts.thin import thin_contacts
from chromloom.errors import InputError
from chromloom.genome.bins import make_bins


def subset(files, keep, name="part.cool", *, lengths=None, **options):
    """The map with the bins of `keep` (bool) alone in its table; the others' contacts are gone."""
    bins = make_bins(files.sizes, files.bin)[keep].reset_index(drop=True)
    dense = files.dense[np.ix_(keep, keep)]
    path = files.folder / name
    cooler.create_cooler(str(path), bins, files.pixels(dense), ordered=True, **options)
    if lengths is not None:
        with h5py.File(path, "r+") as h5:
            h5["chroms/length"][:] = lengths
    expected = np.where(np.outer(keep, keep), files.dense, 0)
    return path, expected


def edit_pixels(path, edit):
    """Rewrite the pixels of a cooler as `edit` gives them, with no check."""
    with h5py.File(path, "r+") as h5:
        names = ["bin1_id", "bin2_id", "count"]
        table = edit(pd.DataFrame({name: h5["pixels"][name][:] for name in names}))
        for name in names:
            del h5["pixels"][name]
            h5["pixels"][name] = table[name].to_numpy()
        h5.attrs["nnz"] = len(table)
    return path


def reading(result, resolution=10_000):
    table = contacts_qc(str(result.path))
    assert (table.loc[table["chrom"] != "all", "reading"] == "").all()
    return table[table["resolution"] == resolution].set_index("chrom")["reading"]["all"]


def chrom_of(files):
    return make_bins(files.sizes, files.bin)["chrom"].to_numpy()


def test_a_map_of_a_region_lies_where_its_bins_say(files, extract):
    start = make_bins(files.sizes, files.bin)["start"].to_numpy()
    keep = (chrom_of(files) == "chr1") & (start >= 100_000) & (start < 200_000)
    path, expected = subset(files, keep)
    assert open_source(path).sizes == {"chr1": 200_000}
    result = extract(path, resolutions=[10_000, 50_000])
    np.testing.assert_array_equal(result.dense(10_000), expected)
    assert "21 bins of these chromosomes" in reading(result)


def test_coarser_maps_of_a_region_that_are_off_the_grid_are_summed_anew(files, extract):
    start = make_bins(files.sizes, files.bin)["start"].to_numpy()
    keep = (chrom_of(files) == "chr1") & (start >= 130_000) & (start < 250_000)
    path, expected = subset(files, keep)
    mcool = files.folder / "part.mcool"
    cooler.fileops.cp(str(path), f"{mcool}::/resolutions/10000")
    bins = pd.DataFrame({"chrom": "chr1", "start": [130_000, 180_000], "end": [180_000, 230_000]})
    pixels = pd.DataFrame({"bin1_id": [0], "bin2_id": [1], "count": [4]})
    cooler.create_cooler(f"{mcool}::/resolutions/50000", bins, pixels, mode="a")
    assert open_source(mcool).resolutions == (10_000,)
    result = extract(mcool, resolutions=[10_000, 50_000])
    files.dense = expected
    np.testing.assert_array_equal(result.dense(50_000), files.coarse(50_000))


def test_single_cells_without_some_bins(files, make_dense, extract):
    keep = np.ones(len(files.dense), dtype=bool)
    keep[3:9] = False
    bins = make_bins(files.sizes, files.bin)[keep].reset_index(drop=True)
    cells = {name: make_dense(k)[np.ix_(keep, keep)] for k, name in enumerate("ab")}
    path = files.folder / "part.scool"
    pixels = {name: files.pixels(dense) for name, dense in cells.items()}
    cooler.create_scool(str(path), bins, pixels, ordered=True)
    result = extract(path)
    whole = np.where(np.outer(keep, keep), make_dense(0) + make_dense(1), 0)
    np.testing.assert_array_equal(result.dense(10_000), whole)
    assert reading(result).startswith("2 cells pooled; 6 bins")


def test_contacts_stay_in_place_where_bins_were_taken_out(files, extract):
    keep = np.ones(len(files.dense), dtype=bool)
    keep[3:9] = keep[35:40] = False
    path, expected = subset(files, keep)
    result = extract(path)
    np.testing.assert_array_equal(result.dense(10_000), expected)
    assert "11 bins of these chromosomes that the map does not have" in reading(result)


def test_last_bins_that_are_missing_are_empty(files, extract):
    bins = make_bins(files.sizes, files.bin)
    keep = (bins["end"] - bins["start"] == files.bin).to_numpy()
    path, expected = subset(files, keep)
    result = extract(path)
    np.testing.assert_array_equal(result.dense(10_000), expected)
    assert "2 chromosomes whose bins end before the assembly's" in reading(result)


def test_bins_in_another_order_are_placed_by_the_table(files, extract):
    order = np.random.default_rng(1).permutation(len(files.dense))
    path = files.cool()
    rank = np.argsort(order)
    with h5py.File(path, "r+") as h5:
        for name in ("chrom", "start", "end"):
            h5["bins"][name][:] = h5["bins"][name][:][order]
    edit_pixels(path, lambda t: t.assign(bin1_id=rank[t["bin1_id"]], bin2_id=rank[t["bin2_id"]]))
    np.testing.assert_array_equal(extract(path).dense(10_000), files.dense)


def test_a_chromosome_without_bins_is_left_empty(files, extract):
    path, expected = subset(files, chrom_of(files) != "chr2")
    np.testing.assert_array_equal(extract(path).dense(10_000), expected)


def _shifted(files):
    bins = pd.DataFrame({"chrom": "chr1", "start": [5_000, 15_000], "end": [15_000, 25_000]})
    path = files.folder / "shifted.cool"
    cooler.create_cooler(
        str(path), bins, pd.DataFrame({"bin1_id": [0], "bin2_id": [1], "count": [4]})
    )
    return path


def _twice_in_the_table(files):
    path = files.cool()
    with h5py.File(path, "r+") as h5:
        h5["bins/start"][4], h5["bins/end"][4] = 30_000, 40_000
    return path


def _bin_id(value):
    def edit(table):
        table.loc[3, "bin1_id"] = value
        return table

    return lambda files: edit_pixels(files.cool(), edit)


def _hicexplorer(files):
    path = files.folder / "map.h5"
    with h5py.File(path, "w") as h5:
        h5.create_group("matrix")
        h5.create_group("intervals")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            _shifted,
            r"bin chr1:5,000-15,000, which does not start at a multiple of the bin size 10,000",
        ),
        (_twice_in_the_table, r"lists the bin chr1:30,000-40,000 twice"),
        (_bin_id(-1), r"names bin -1, its table has 68 bins"),
        (_bin_id(68), r"names bin 68, its table has 68 bins"),
        (_hicexplorer, "hicConvertFormat"),
    ],
)
def test_what_cannot_be_placed_is_refused(make, message, files, extract):
    with pytest.raises(InputError, match=message):
        extract(make(files))
    assert not list(extract.folder.iterdir())


@pytest.mark.parametrize("value", [-1, 68])
def test_bins_that_do_not_exist_are_refused_by_every_reader(value, files, tmp_path):
    path = _bin_id(value)(files)
    with pytest.raises(InputError, match=f"names bin {value}"):
        contacts_qc(str(path))
    with pytest.raises(InputError, match=f"names bin {value}"):
        thin_contacts(path, tmp_path / "t.mcool", 0.5, 1)


def split_counts(table, which):
    """Rows of `which` (bool) as two rows, a count of 1 in the first."""
    first = table[which].assign(count=1)
    table = table.assign(count=table["count"] - which)
    return pd.concat([table, first]).sort_values(["bin1_id", "bin2_id"], ignore_index=True)


def test_equal_pixels_are_summed(files, extract, monkeypatch):
    path = edit_pixels(files.cool(), lambda t: split_counts(t, (t["count"] > 5).to_numpy()))
    n = int((files.pixels()["count"] > 5).sum())
    for limit in (10**9, 300):
        monkeypatch.setattr("chromloom.contacts.pixels.pool.__kwdefaults__", {"limit": limit})
        result = extract(path, resolutions=[10_000, 50_000])
        np.testing.assert_array_equal(result.dense(10_000), files.dense)
        np.testing.assert_array_equal(result.dense(50_000), files.coarse(50_000))
        for resolution in (10_000, 50_000):
            assert reading(result, resolution) == f"{n} equal pixels summed"


def test_equal_pixels_at_the_border_of_two_chunks(files, extract, monkeypatch):
    monkeypatch.setattr("chromloom.contacts.coolers.CHUNK", 1)
    path = edit_pixels(files.cool(), lambda t: split_counts(t, t.index == t["count"].argmax()))
    assert reading(extract(path)) == "1 equal pixels summed"


def test_unsorted_pixels_are_sorted(files, extract):
    path = edit_pixels(files.cool(), lambda t: t.sample(frac=1, random_state=1))
    result = extract(path)
    np.testing.assert_array_equal(result.dense(10_000), files.dense)
    assert reading(result) == ""


def test_both_triangles_are_folded(files, extract):
    def unflip(table):
        part = np.random.default_rng(2).binomial(table["count"], 0.4)
        part[table["bin1_id"] == table["bin2_id"]] = 0
        below = pd.DataFrame(
            {"bin1_id": table["bin2_id"], "bin2_id": table["bin1_id"], "count": part}
        )
        both = pd.concat([table.assign(count=table["count"] - part), below])
        both = both[both["count"] > 0]
        return both.sort_values(["bin1_id", "bin2_id"])

    path = edit_pixels(files.cool(), unflip)
    below = int((lambda c: c["bin1_id"] > c["bin2_id"])(unflip(files.pixels())).sum())
    result = extract(path)
    np.testing.assert_array_equal(result.dense(10_000), files.dense)
    assert f"{below:,} pixels below the diagonal folded onto it" in reading(result)


def test_a_matrix_written_whole_counts_once(files, extract):
    def mirror(table):
        off = table[table["bin1_id"] < table["bin2_id"]]
        below = off.rename(columns={"bin1_id": "bin2_id", "bin2_id": "bin1_id"})
        return pd.concat([table, below]).sort_values(["bin1_id", "bin2_id"])

    result = extract(edit_pixels(files.cool(), mirror))
    np.testing.assert_array_equal(result.dense(10_000), files.dense)
    assert "left out, they repeat those above" in reading(result)


def test_contacts_that_are_left_out_are_counted(files, extract):
    result = extract(files.cool(), chroms=["chr1"])
    on = chrom_of(files) == "chr1"
    lost = np.triu(files.dense).sum() - np.triu(files.dense[np.ix_(on, on)]).sum()
    assert reading(result).startswith(f"{lost:,} contacts left out: their sequence is not")


@pytest.mark.parametrize("limit", [10**9, 300])
def test_counts_above_32_bits_keep_their_value(limit, files, extract, monkeypatch):
    monkeypatch.setattr("chromloom.contacts.pixels.pool.__kwdefaults__", {"limit": limit})
    files.dense = files.dense.copy()
    files.dense[1, 2] = files.dense[2, 1] = 3_000_000_000
    for source in (
        files.cool(dtypes={"count": np.int64}),
        files.cool("b.cool", order=["chr2", "chrX", "chrM", "chr1"], dtypes={"count": np.int64}),
    ):
        result = extract(source, resolutions=[10_000, 50_000])
        for resolution in (10_000, 50_000):
            np.testing.assert_array_equal(result.dense(resolution), files.coarse(resolution))


def test_sums_above_32_bits_keep_their_value(files, extract, tmp_path):
    files.dense = files.dense.copy()
    files.dense[1:5, 1:5] = 1_500_000_000
    result = extract(files.cool(), resolutions=[10_000, 50_000])
    for resolution in (10_000, 50_000):
        np.testing.assert_array_equal(result.dense(resolution), files.coarse(resolution))
    thin_contacts(result.path, tmp_path / "t.mcool", 1.0, 1)
    thin = cooler.Cooler(f"{tmp_path}/t.mcool::/resolutions/50000").matrix(balance=False)[:]
    np.testing.assert_array_equal(thin, files.coarse(50_000))


def test_a_chromosome_beyond_32_bits_is_refused_in_one_line(extract, tmp_path):
    sizes = tmp_path / "giant.chrom.sizes"
    sizes.write_text("scaf04\t2887904217\nscaf09\t900000000\n")
    pairs = tmp_path / "x.pairs"
    pairs.write_text("r\tscaf04\t2500000000\tscaf04\t10\n")
    with pytest.raises(InputError, match=r"scaf04 has 2,887,904,217 bp.*2,147,483,647"):
        extract(pairs, assembly=sizes, resolutions=[10_000_000])


@pytest.mark.parametrize("name", ["HLA-A*01:01:01:01", "gi|69|gb|JRIU01.1|", "chr1:5-9", "a,b"])
@pytest.mark.parametrize("kind", ["cool", "hic"])
def test_a_name_is_a_name(name, kind, files, extract, tmp_path):
    def rename(chrom):
        return {"chr2": name}.get(chrom, chrom)

    assembly = tmp_path / "named.chrom.sizes"
    files.sizes.rename(rename).to_csv(assembly, sep="\t", header=False)
    source = getattr(files, kind)(rename=rename)
    result = extract(source, assembly=assembly, chroms=["chr1", name], resolutions=[10_000, 50_000])
    on = np.isin(chrom_of(files), ["chr1", "chr2"])
    np.testing.assert_array_equal(result.dense(10_000), np.where(np.outer(on, on), files.dense, 0))
    assert name in set(contacts_qc(str(result.path))["chrom"])


def test_groups_that_hold_each_other_and_dead_links(files, extract):
    path = files.mcool()
    with h5py.File(path, "r+") as h5:
        h5["resolutions/up"] = h5["/"]
        h5["again"] = h5["resolutions/10000"]
        h5["gone"] = h5py.SoftLink("/nowhere")
        h5["far"] = h5py.ExternalLink("absent.h5", "/")
    np.testing.assert_array_equal(extract(path).dense(10_000), files.dense)


def test_pixels_without_a_number_are_counted(files, extract):
    def without(table):
        counts = table["count"].astype(float)
        return table.assign(count=counts.where(table.index != 3))

    path = edit_pixels(files.cool(), without)
    result = extract(path)
    assert result.dense(10_000).sum() < files.dense.sum()
    assert reading(result) == "1 pixels without a number left out"


def test_bins_between_bases_and_maps_without_counts_are_refused(files, extract):
    path = files.cool()
    with h5py.File(path, "r+") as h5:
        starts = h5["bins/start"][:].astype(float)
        del h5["bins/start"]
        h5["bins/start"] = starts
    np.testing.assert_array_equal(extract(path).dense(10_000), files.dense)
    with h5py.File(path, "r+") as h5:
        h5["bins/start"][1:] = starts[1:] + 0.5
    with pytest.raises(InputError, match="has bins that do not lie at whole numbers of bp"):
        extract(path)
    path = files.cool()
    with h5py.File(path, "r+") as h5:
        h5.move("pixels/count", "pixels/value")
    with pytest.raises(InputError, match=r"has no counts \(its pixels have .*value"):
        extract(path)
