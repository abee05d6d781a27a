"""A small genome, its dense map, and writers of that map in every format that is read."""

import gzip
from types import SimpleNamespace

import cooler
import h5py
import numpy as np
import pandas as pd
import pytest

from chromloom.genome.bins import make_bins

BIN = 10_000
SIZES = pd.Series({"chr1": 303_000, "chr2": 250_000, "chrX": 100_000, "chrM": 16_571})


def _dense(seed: int) -> np.ndarray:
    """Symmetric counts, deep near the diagonal, sparse between chromosomes, an empty row."""
    generator = np.random.default_rng(seed)
    bins = make_bins(SIZES, BIN)
    n = len(bins)
    i, j = np.triu_indices(n)
    cis = bins["chrom"].to_numpy()[i] == bins["chrom"].to_numpy()[j]
    counts = generator.poisson(np.where(cis, 20 / (1 + j - i), 0.3))
    dense = np.zeros((n, n), dtype=np.int64)
    dense[i, j] = dense[j, i] = counts
    dense[7] = dense[:, 7] = 0
    return dense


class MapFiles:
    """Writes `dense` (n_bins, n_bins) of `SIZES` at `BIN` bp to files."""

    sizes, bin = SIZES, BIN

    def __init__(self, folder, dense):
        self.folder, self.dense = folder, dense

    def pixels(self, dense=None):
        dense = self.dense if dense is None else dense
        i, j = np.nonzero(np.triu(dense))
        return pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": dense[i, j]})

    def coarse(self, resolution, sizes=SIZES):
        """The map summed to `resolution`, by a loop over the blocks of bins."""
        fine, coarse = make_bins(sizes, BIN), make_bins(sizes, resolution)
        member = np.zeros((len(coarse), len(fine)), dtype=np.int64)
        for k, (chrom, start, end) in enumerate(coarse.itertuples(index=False)):
            member[k] = (fine["chrom"] == chrom) & (fine["start"] >= start) & (fine["start"] < end)
        upper = member @ np.triu(self.dense) @ member.T
        return upper + upper.T - np.diag(np.diag(upper))

    def reordered(self, order):
        """The dense map and sizes with the chromosomes in another order."""
        chrom = make_bins(SIZES, BIN)["chrom"].to_numpy()
        index = np.concatenate([np.flatnonzero(chrom == name) for name in order])
        return self.dense[np.ix_(index, index)], SIZES[order]

    def cool(self, name="map.cool", *, order=None, rename=lambda c: c, group="", **options):
        dense, sizes = self.reordered(order or list(SIZES.index))
        sizes = sizes.rename(rename)
        path = self.folder / name
        cooler.create_cooler(
            f"{path}{group}",
            make_bins(sizes, BIN),
            self.pixels(dense),
            ordered=True,
            mode="a",
            **options,
        )
        return path

    def mcool(self, name="map.mcool", *, layout="/resolutions/{resolution}", factors=(1, 5)):
        path = self.folder / name
        base = self.cool("base.cool")
        for k, factor in enumerate(factors):
            group = layout.format(resolution=BIN * factor, level=k)
            if factor == 1:
                cooler.fileops.cp(str(base), f"{path}::{group}")
            else:
                cooler.coarsen_cooler(str(base), f"{path}::{group}", factor, 10**6, mode="a")
        return path

    def old_cool(self):
        """A file of the version before the format attribute."""
        path = self.cool("old.cool")
        with h5py.File(path, "r+") as h5:
            del h5.attrs["format"]
            del h5.attrs["storage-mode"]
            h5.attrs["format-version"] = 2
        return path

    def scool(self, cells, name="cells.scool"):
        """cells: name -> dense map."""
        path = self.folder / name
        cooler.create_scool(
            str(path),
            make_bins(SIZES, BIN),
            {cell: self.pixels(dense) for cell, dense in cells.items()},
            ordered=True,
        )
        return path

    def hic(self, name="map.hic", *, order=None, rename=lambda c: c, resolutions=(BIN, 5 * BIN)):
        from hictkpy import BinTable, hic

        dense, sizes = self.reordered(order or list(SIZES.index))
        sizes = sizes.rename(rename)
        path = self.folder / name
        bins = BinTable(sizes.to_dict(), BIN).to_df()
        table = self.pixels(dense)
        for side in "12":
            rows = bins.loc[table[f"bin{side}_id"]].reset_index(drop=True)
            table[[f"chrom{side}", f"start{side}", f"end{side}"]] = rows[["chrom", "start", "end"]]
        writer = hic.FileWriter(
            path, sizes.to_dict(), list(resolutions), assembly="test", tmpdir=self.folder
        )
        writer.add_pixels(table[["chrom1", "start1", "end1", "chrom2", "start2", "end2", "count"]])
        writer.finalize()
        return path

    def pairs(self, name="map.pairs.gz", *, header=True, rename=lambda c: c, extra=()):
        """One row per contact, sides and rows shuffled, positions anywhere in the bins; 1-based."""
        generator = np.random.default_rng(5)
        bins, table = make_bins(SIZES, BIN), self.pixels()
        table = table.loc[table.index.repeat(table["count"])]
        swap = generator.random(len(table)) < 0.5
        sides = [
            np.where(swap, table["bin2_id"], table["bin1_id"]),
            np.where(swap, table["bin1_id"], table["bin2_id"]),
        ]
        columns = {"readID": [f"r{k}" for k in range(len(table))]}
        for side, index in zip("12", sides):
            rows = bins.iloc[index]
            columns[f"chr{side}"] = rows["chrom"].map(rename).to_numpy()
            columns[f"pos{side}"] = generator.integers(rows["start"], rows["end"]) + 1
        rows = pd.DataFrame(columns).sample(frac=1, random_state=1)
        path = self.folder / name
        lines = []
        if header:
            lines = [
                "## pairs format v1.0",
                "#sorted: none",
                "#genome_assembly: test",
                *(f"#chromsize: {rename(c)} {n}" for c, n in SIZES.items()),
                "#columns: readID chrom1 pos1 chrom2 pos2",
            ]
        body = ["\t".join(map(str, row)) for row in rows.itertuples(index=False)]
        with (gzip.open if path.suffix == ".gz" else open)(path, "wt") as handle:
            handle.write("\n".join([*lines, *body, *extra]) + "\n")
        return path

    def dump(self, folder="dump", pattern="hic_{chrom}.txt", *, factor=1, lower=False, chroms=None):
        """Files of `i j v` in bp, one a chromosome, column by column as juicer writes them."""
        target = self.folder / folder
        target.mkdir()
        bins = make_bins(SIZES, BIN)
        for chrom in chroms or SIZES.index:
            index = np.flatnonzero(bins["chrom"] == chrom)
            block = self.dense[np.ix_(index, index)]
            j, i = np.nonzero(np.tril(block))
            if lower:
                i, j = j, i
            table = pd.DataFrame({"i": i * BIN, "j": j * BIN, "v": block[i, j] * factor})
            table.to_csv(target / pattern.format(chrom=chrom), sep="\t", header=False, index=False)
        return target


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return MapFiles(folder, _dense(0))


@pytest.fixture
def make_dense():
    return _dense


@pytest.fixture
def chromsizes_file(tmp_path):
    path = tmp_path / "small.chrom.sizes"
    SIZES.to_csv(path, sep="\t", header=False)
    return path


@pytest.fixture
def extract(tmp_path, chromsizes_file):
    """Extract to a new file; returns its path, a reader of dense maps and the output folder."""
    from chromloom.contacts.extract import extract_contacts

    folder = tmp_path / "out"
    folder.mkdir()

    def call(source, *, resolutions=(BIN,), assembly=chromsizes_file, sample="s", **options):
        out = folder / "s.mcool"
        extract_contacts(
            source, out, assembly=assembly, resolutions=resolutions, sample=sample, **options
        )
        return SimpleNamespace(
            path=out,
            clr=lambda resolution: cooler.Cooler(f"{out}::/resolutions/{resolution}"),
            dense=lambda resolution: cooler.Cooler(f"{out}::/resolutions/{resolution}").matrix(
                balance=False
            )[:],
        )

    call.folder = folder
    return call
