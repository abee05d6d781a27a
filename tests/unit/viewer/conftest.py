"""A small study as the viewer finds it: two maps, tracks, genes, a variant and its maps."""

import cooler
import numpy as np
import pandas as pd
import pyBigWig
import pytest

BIN, N = 10_000, 200


@pytest.fixture(scope="session")
def dense():
    """Contact strength of chr1, (N, N): decays with the distance, in blocks; bin 7 is masked."""
    i, j = np.indices((N, N))
    values = 100 / (1 + np.abs(i - j)) * np.where((i // 40) == (j // 40), 2.0, 1.0)
    values[7], values[:, 7] = 0, 0
    return values


def write_map(path, values, *, column="value", multiple=(), **metadata):
    """Write a symmetric matrix of chr1 as a map; chr2 has no pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bins = cooler.binnify(pd.Series({"chr1": N * BIN, "chr2": 5 * BIN}), BIN)
    bins["weight"] = np.where(np.arange(len(bins)) == 7, np.nan, 1.0)
    i, j = np.nonzero(np.triu(values))
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": values[i, j]})
    pixels[column] = values[i, j]
    uri = f"{path}::resolutions/{BIN}" if path.suffix == ".mcool" else str(path)
    options = {"columns": ["count", *{column} - {"count"}], "dtypes": {"count": float}}
    cooler.create_cooler(uri, bins, pixels, metadata=metadata, **options)
    for factor in multiple:
        cooler.coarsen_cooler(
            uri, f"{path}::resolutions/{factor * BIN}", factor, 10**6, dtypes={"count": float}
        )


@pytest.fixture(scope="session")
def study(dense, tmp_path_factory):
    """Folder of the study."""
    folder = tmp_path_factory.mktemp("study")
    results = folder / "results"
    write_map(results / "normalized/A.10000.ICE.cool", dense, ignore_diags=2)
    predicted = results / "predictions/A.10000.ICE.model.mcool"
    write_map(predicted, dense * 0.9, column="count", multiple=(2, 4))
    edit = results / "perturbation/A.10000.ICE.model/gone"
    write_map(edit / "wild_type.mcool", dense * 0.9, column="count")
    write_map(edit / "edited_on_reference.mcool", dense * 0.8, column="count")
    write_map(edit / "difference.mcool", dense * -0.1, column="count")
    tracks = results / "analysis/A.10000.ICE"
    tracks.mkdir(parents=True)
    with pyBigWig.open(str(tracks / "E1.bw"), "w") as bigwig:
        bigwig.addHeader([("chr1", N * BIN)])
        start = np.arange(0, (N - 20) * BIN, BIN)
        values = np.sin(start / 2e5)
        bigwig.addEntries(["chr1"] * len(start), start, ends=start + BIN, values=values)
    (tracks / "boundaries.bed").write_text(
        "chr1\t390000\t400000\tboundary_1\t5\nchr1\t790000\t800000\tboundary_2\t9\n"
    )
    (results / "variants").mkdir()
    (results / "variants/A.edits.tsv").write_text(
        "edit\tkind\tchrom\tstart\tend\tchrom2\tstart2\tend2\n"
        "gone\tdeletion\tchr1\t600000\t700000\t\t-1\t-1\n"
    )
    (results / "expression").mkdir()
    (results / "expression/A.genes.tsv").write_text(
        "gene\tname\tchrom\tstart\tend\tstrand\ng1\tMYC\tchr1\t500000\t560000\t+\n"
    )
    return folder
