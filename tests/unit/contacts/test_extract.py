"""Every format gives the same map, and every bad input one message and no file."""

import json

import cooler
import h5py
import numpy as np
import pandas as pd
import pytest

from chromloom.contacts.sources import open_source, stored_weights
from chromloom.contacts.write import plan_resolutions
from chromloom.errors import InputError


def strip(chrom: str) -> str:
    return chrom.removeprefix("chr").replace("M", "MT")


SOURCES = {
    "cool": lambda f: f.cool(),
    "cool without chr": lambda f: f.cool(rename=strip),
    "cool in another order": lambda f: f.cool(order=["chrX", "chrM", "chr2", "chr1"]),
    "old cool": lambda f: f.old_cool(),
    "mcool": lambda f: f.mcool(),
    "mcool by level": lambda f: f.mcool(layout="/{level}"),
    "mcool in deep groups": lambda f: f.mcool(layout="/a/b{level}/c"),
    "one map of a file": lambda f: f"{f.mcool()}::/resolutions/10000",
    "hic": lambda f: f.hic(),
    "hic without chr": lambda f: f.hic(rename=strip),
    "hic in another order": lambda f: f.hic(order=["chrX", "chr2", "chrM", "chr1"]),
    "pairs": lambda f: f.pairs(),
    "pairs, plain and without chr": lambda f: f.pairs("map.pairs", rename=strip),
    "pairs without header": lambda f: f.pairs(header=False),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_format_gives_the_same_map(kind, files, extract):
    result = extract(SOURCES[kind](files), resolutions=[50_000, 10_000])
    for resolution in (10_000, 50_000):
        np.testing.assert_array_equal(result.dense(resolution), files.coarse(resolution))
        clr = result.clr(resolution)
        assert clr.chromsizes.to_dict() == files.sizes.to_dict()
        assert clr.pixels().dtypes["count"] == np.int32
        assert "weight" not in clr.bins().columns


@pytest.mark.parametrize("name", ["folder", "glob", "chrom", "lower"])
def test_juicer_dump_gives_the_cis_map(name, files, extract):
    folder = files.dump(lower=name == "lower")
    source = {"glob": folder / "*.txt", "chrom": folder / "hic_{chrom}.txt"}.get(name, folder)
    result = extract(source, resolutions=[10_000, 30_000])
    cis = np.equal.outer(*[result.clr(10_000).bins()["chrom"][:].astype(str).to_numpy()] * 2)
    np.testing.assert_array_equal(result.dense(10_000), np.where(cis, files.dense, 0))
    assert result.dense(30_000).shape == files.coarse(30_000).shape


def test_dump_of_one_chromosome_and_its_bin_size(files, extract):
    folder = files.dump(pattern="GM_{chrom}_10kb.RAW.txt", chroms=["chr2"])
    result = extract(folder / "GM_chr2_10kb.RAW.txt")
    start, end = result.clr(10_000).extent("chr2")
    np.testing.assert_array_equal(
        result.dense(10_000)[start:end, start:end], files.dense[start:end, start:end]
    )
    assert result.clr(10_000).info["sum"] == np.triu(files.dense[start:end, start:end]).sum()
    assert open_source(folder).resolutions == (10_000,)


def test_normalised_dump_is_kept_only_on_demand(files, extract):
    folder = files.dump(factor=0.3)
    with pytest.raises(InputError, match=r"expected whole numbers.*float_counts"):
        extract(folder)
    assert not list(extract.folder.iterdir())
    result = extract(folder, float_counts=True)
    start, end = result.clr(10_000).extent("chr2")
    np.testing.assert_allclose(
        result.dense(10_000)[start:end, start:end], 0.3 * files.dense[start:end, start:end]
    )
    assert result.clr(10_000).info["metadata"]["counts"] == "float"


def test_masked_values_of_a_dump_are_left_out(files, extract):
    folder = files.dump(chroms=["chr1"])
    with (folder / "hic_chr1.txt").open("a") as handle:
        handle.write("0\t300000\tNaN\n")
    before = files.dense[0, 30]
    result = extract(folder)
    assert result.dense(10_000)[0, 30] == before
    assert result.clr(10_000).info["metadata"]["reading"] == "1 pixels without a number left out"


def test_single_cells_are_pooled_by_their_label(files, make_dense, extract, tmp_path):
    cells = {f"c{k}": np.minimum(make_dense(k), 2) for k in range(5)}
    path = files.scool(cells)
    labels = tmp_path / "cells.tsv"
    labels.write_text("cell\tcell_type\nc0\tB\nc3\tT\nc4\tB\n")
    result = extract(path, cell_labels=labels, cell_type="B")
    np.testing.assert_array_equal(result.dense(10_000), cells["c0"] + cells["c4"])
    assert result.clr(10_000).info["metadata"]["cell_type"] == "B"
    labelled = extract(path, cell_labels=labels).dense(10_000)
    np.testing.assert_array_equal(labelled, cells["c0"] + cells["c3"] + cells["c4"])
    np.testing.assert_array_equal(extract(path).dense(10_000), sum(cells.values()))
    assert open_source(path).cells == tuple(cells)


def test_small_memory_gives_the_same_map(files, extract, monkeypatch):
    """Many chunks, pooled on disk by cooler, give what one does."""
    for module in ("pixels", "coolers", "hic", "write"):
        monkeypatch.setattr(f"chromloom.contacts.{module}.CHUNK", 300, raising=False)
    monkeypatch.setattr("chromloom.contacts.hic.FIRST_ROWS", 3)
    monkeypatch.setattr("chromloom.contacts.text.BLOCK", 500)
    monkeypatch.setattr("chromloom.contacts.pixels.pool.__kwdefaults__", {"limit": 600})
    for source in (files.pairs(), files.hic(), files.cool(order=["chrX", "chr2", "chrM", "chr1"])):
        np.testing.assert_array_equal(extract(source).dense(10_000), files.dense)


def test_kept_chromosomes_and_metadata(files, extract):
    result = extract(files.cool(rename=strip), chroms=["X", "chr1"], sample="GM12878")
    chrom = result.clr(10_000).bins()["chrom"][:].astype(str).isin(["chr1", "chrX"]).to_numpy()
    kept = np.where(np.logical_and.outer(chrom, chrom), files.dense, 0)
    np.testing.assert_array_equal(result.dense(10_000), kept)
    metadata = result.clr(10_000).info["metadata"]
    assert metadata["assembly"] == "small"
    assert metadata["sample"] == "GM12878"
    assert metadata["source"] == "map.cool"
    assert metadata["source_format"] == "cool"
    assert metadata["source_names"] == {"chr1": "1", "chrX": "X"}
    with h5py.File(result.path) as h5:
        assert h5.attrs["format"] == "HDF5::MCOOL"
    assert cooler.fileops.list_coolers(str(result.path)) == ["/resolutions/10000"]


def test_unmapped_reads_are_left_out(files, extract):
    extra = ["u1\t!\t0\tchr1\t500", "u2\tchr1\t5\t!\t0", "u3\tchrUn_1\t5\tchr1\t7"]
    np.testing.assert_array_equal(extract(files.pairs(extra=extra)).dense(10_000), files.dense)


def test_first_and_last_base_fall_into_the_first_and_last_bin(files, extract):
    files.dense[:] = 0
    files.dense[0, 0] = 1
    path = files.folder / "two.pairs"
    path.write_text(
        "#columns: readID chr1 pos1 chr2 pos2\n"
        "a\tchr1\t1\tchr1\t10000\nb\tchr1\t10001\tchr1\t303000\n"
    )
    dense = extract(path).dense(10_000)
    assert dense[0, 0] == 1
    assert dense[1, 30] == 1
    assert np.triu(dense).sum() == 2


def test_a_resolution_comes_from_the_coarsest_one_that_divides_it(files, extract):
    stored = [10_000, 30_000, 50_000]
    plan = plan_resolutions([100_000, 30_000, 20_000, 40_000, 50_000], stored, source="f")
    assert plan == {
        20_000: ("read", 10_000),
        30_000: ("read", 30_000),
        40_000: ("coarsen", 20_000),
        50_000: ("read", 50_000),
        100_000: ("coarsen", 50_000),
    }
    assert plan_resolutions([5_000, 2_000], None, source="f") == {
        2_000: ("read", 2_000),
        5_000: ("read", 5_000),
    }
    result = extract(files.mcool(factors=(1, 3)), resolutions=[20_000, 30_000, 60_000])
    for resolution in (20_000, 30_000, 60_000):
        np.testing.assert_array_equal(result.dense(resolution), files.coarse(resolution))
    assert cooler.fileops.list_coolers(str(result.path)) == [
        f"/resolutions/{resolution}" for resolution in (20_000, 30_000, 60_000)
    ]
    assert [item.name for item in extract.folder.iterdir()] == ["s.mcool"]


def test_pairs_are_recognised_by_their_first_line(files):
    assert open_source(files.pairs("reads.txt")).format == "pairs"


def test_description(files):
    info = open_source(files.mcool())
    assert (info.format, info.resolutions) == ("mcool", (10_000, 50_000))
    assert info.sizes == files.sizes.to_dict()
    info = open_source(files.hic())
    assert (info.format, info.resolutions, info.norms) == ("hic", (10_000, 50_000), ())
    assert info.assembly == "test"
    info = open_source(files.pairs())
    assert (info.format, info.resolutions, info.assembly) == ("pairs", None, "test")
    assert info.sizes == files.sizes.to_dict()


def test_weights_that_are_not_stored_are_none(files):
    assert stored_weights(files.hic(), 10_000, "KR", chromsizes=files.sizes) is None
    assert stored_weights(files.cool(), 10_000, "KR", chromsizes=files.sizes) is None
    assert stored_weights(files.folder / "*.txt", 10_000, "KR", chromsizes=files.sizes) is None


def truncate(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def damage_pixels(path):
    """Overwrite compressed pixels, so that the file opens and cannot be read to its end."""
    with h5py.File(path) as h5:
        chunk = h5["pixels/count"].id.get_chunk_info(0)
    with path.open("r+b") as handle:
        handle.seek(chunk.byte_offset)
        handle.write(b"\xff" * chunk.size)
    return path


def write(path, text):
    path.write_text(text)
    return path


def labels(files, text):
    return {"cell_labels": write(files.folder / "cells.tsv", text)}


BAD = {
    "absent": (lambda f: (f.folder / "no.cool", {}), "does not exist"),
    "empty file": (lambda f: (write(f.folder / "e.cool", ""), {}), r"empty \(0 bytes\)"),
    "truncated mcool": (lambda f: (truncate(f.mcool(), 0.7), {}), "damaged or truncated"),
    "damaged pixels": (lambda f: (damage_pixels(f.cool()), {}), "damaged or truncated"),
    "truncated hic": (lambda f: (truncate(f.hic(), 0.5), {}), "damaged or truncated"),
    "hic cut at its end": (lambda f: (truncate(f.hic(), 0.995), {}), "damaged or truncated"),
    "truncated pairs": (lambda f: (truncate(f.pairs(), 0.5), {}), "cannot be read"),
    "text named hic": (
        lambda f: (write(f.folder / "t.hic", "chr1 1 2\n"), {}),
        "is not a .hic file",
    ),
    "text named mcool": (
        lambda f: (write(f.folder / "t.mcool", "chr1 1 2\n"), {}),
        "is not a .mcool file",
    ),
    "HDF5 without a map": (lambda f: (_plain_hdf5(f.folder / "h.cool"), {}), "no contact map"),
    "resolution": (
        lambda f: (f.mcool(), {"resolutions": [10_000, 25_000, 15_000]}),
        r"10,000, 50,000 bp, none of which divides .* 15,000 bp.*contacts.resolutions: \[10000\]",
    ),
    "negative resolution": (lambda f: (f.cool(), {"resolutions": [-5]}), "positive"),
    "no resolution": (lambda f: (f.cool(), {"resolutions": []}), "no resolution"),
    "other names": (
        lambda f: (f.cool(rename=lambda c: f"scaffold_{c}"), {}),
        "none of its chromosome names",
    ),
    "other lengths": (lambda f: (f.cool(), {"assembly": "hg19"}), r"chr1 has 303,000 bp"),
    "other names in pairs": (
        lambda f: (f.pairs(header=False, rename=lambda c: f"s_{c}"), {}),
        "none of its chromosome names",
    ),
    "position beyond": (
        lambda f: (f.pairs(extra=["x\tchr1\t303001\tchr1\t5"]), {}),
        r"chr1:303,001 lies beyond the 303,000 bp of chr1",
    ),
    "not pairs": (
        lambda f: (write(f.folder / "t.pairs", "a b c\n"), {}),
        "neither a list",
    ),
    "only a header": (
        lambda f: (write(f.folder / "t.pairs", "## pairs format v1.0\n"), {}),
        "no read pairs",
    ),
    "text in positions": (
        lambda f: (write(f.folder / "t.pairs", "r\tchr1\t4\tchr1\t5\nr\tchr1\tx\tchr1\t5\n"), {}),
        "line 2: pos1 'x' is not a whole number",
    ),
    "empty map": (lambda f: (_empty(f), {}), "holds no contacts"),
    "empty chromosome": (
        lambda f: (_without(f, "chr2"), {"chroms": ["chr1", "chr2"]}),
        "no contacts within chr2",
    ),
    "absent chromosome": (
        lambda f: (f.hic(order=["chr1", "chr2"]), {"chroms": ["chrX"]}),
        "no contacts within chrX",
    ),
    "unknown chromosome": (lambda f: (f.cool(), {"chroms": ["chr9"]}), "'chr9' are not in"),
    "two maps at a resolution": (lambda f: (_two_maps(f), {}), "more than one map at 10,000"),
    "no such group": (lambda f: (f"{f.cool()}::/nowhere", {}), "has no group /nowhere"),
    "asymmetric": (lambda f: (f.cool(symmetric_upper=False, triucheck=False), {}), "asymmetric"),
    "bins of different sizes": (lambda f: (_variable_bins(f), {}), "different sizes"),
    "dump of text": (lambda f: (write(f.folder / "chr1.txt", "a b c\n"), {}), "nor juicer dump"),
    "dump of no chromosome": (
        lambda f: (write(f.folder / "map.txt", "0 10000 3\n"), {}),
        "no part of the file's name",
    ),
    "dump beyond": (
        lambda f: (write(f.folder / "chr1.txt", "0 10000 1\n0 310000 3\n"), {}),
        "lies outside",
    ),
    "dump of both triangles": (
        lambda f: (write(f.folder / "chr1.txt", "0 10000 3\n10000 0 3\n"), {}),
        "above and below",
    ),
    "dump off the bins": (
        lambda f: (write(f.folder / "chr1.txt", "0 15000 3\n"), {"source_resolution": 10_000}),
        "not a multiple",
    ),
    "dump of one bin": (
        lambda f: (write(f.folder / "chr1.txt", "0 0 3\n"), {}),
        "source_resolution",
    ),
    "dump twice": (lambda f: (_dump_twice(f), {}), "two files are chr1"),
    "no dump": (lambda f: (f.folder / "nothing_*.txt", {}), "no file matches"),
    "cells of a bulk map": (lambda f: (f.cool(), labels(f, "cell\tcell_type\n")), "bulk map"),
    "cells of a hic": (lambda f: (f.hic(), {"cell_type": "B"}), "expected a .scool"),
    "cell table columns": (
        lambda f: (_cells(f), labels(f, "name\tcell_type\nc0\tB\n")),
        "column 'cell' is missing",
    ),
    "cell twice": (lambda f: (_cells(f), labels(f, "cell\tcell_type\nc0\tB\nc0\tT\n")), "twice"),
    "unknown cell": (lambda f: (_cells(f), labels(f, "cell\tcell_type\nz\tB\n")), "'z' the first"),
    "no such type": (
        lambda f: (_cells(f), labels(f, "cell\tcell_type\nc0\tB\n") | {"cell_type": "T"}),
        "no cell of type 'T'",
    ),
    "type without table": (lambda f: (_cells(f), {"cell_type": "B"}), "without cell_labels"),
    "no cell table": (lambda f: (_cells(f), {"cell_labels": f.folder / "no.tsv"}), "cell table"),
    "negative count": (lambda f: (write(f.folder / "chr1.txt", "0 10000 -3\n"), {}), "-3.0 as the"),
}


def _plain_hdf5(path):
    with h5py.File(path, "w") as h5:
        h5.create_group("numbers")["x"] = [1, 2]
    return path


def _empty(files):
    files.dense[:] = 0
    return files.cool()


def _without(files, chrom):
    rows = slice(31, 56)
    files.dense[rows, rows] = 0
    return files.cool()


def _two_maps(files):
    files.cool("two.mcool", group="::/a")
    return files.cool("two.mcool", group="::/b")


def _variable_bins(files):
    path = files.folder / "variable.cool"
    edges = [0, 7_000, 30_000, 50_000]
    bins = pd.DataFrame({"chrom": "chr1", "start": edges[:-1], "end": edges[1:]})
    cooler.create_cooler(
        str(path), bins, pd.DataFrame({"bin1_id": [0], "bin2_id": [1], "count": [4]})
    )
    return path


def _dump_twice(files):
    for name in ("chr1.txt", "1.txt"):
        write(files.folder / name, "0 10000 3\n")
    return files.folder


def _cells(files):
    return files.scool({"c0": files.dense, "c1": files.dense})


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_and_leaves_nothing(kind, files, extract):
    make, message = BAD[kind]
    source, options = make(files)
    with pytest.raises(InputError, match=message) as error:
        extract(source, **options)
    assert "sample 's'" in str(error.value)
    assert not list(extract.folder.iterdir())


def test_an_older_result_survives_a_failure(files, extract):
    path = extract(files.cool()).path
    before = path.read_bytes()
    with pytest.raises(InputError):
        extract(damage_pixels(files.cool("bad.cool")))
    assert path.read_bytes() == before
    assert [item.name for item in extract.folder.iterdir()] == [path.name]


def test_a_small_disagreement_of_lengths_is_an_option(files, extract, tmp_path):
    sizes = files.sizes.copy()
    sizes["chr1"] += 11
    assembly = tmp_path / "patched.chrom.sizes"
    sizes.to_csv(assembly, sep="\t", header=False)
    with pytest.raises(InputError, match="length_tolerance is 0 bp"):
        extract(files.cool(), assembly=assembly)
    np.testing.assert_array_equal(
        extract(files.cool(), assembly=assembly, length_tolerance=11).dense(10_000), files.dense
    )


def test_metadata_is_json(files, extract):
    json.dumps(extract(files.hic()).clr(10_000).info["metadata"])
