"""Maps whose contacts differ on one chromosome: what may change a training, and what may not."""

import shutil

import cooler
import h5py
import pandas as pd
import pytest

from chromloom.normalize.maps import expected_path


@pytest.fixture
def altered_map(tiny_map_path, tmp_path):
    """A copy of the tiny map with other contacts on one chromosome."""

    def make(chrom):
        path = tmp_path / f"{chrom}.10000.ICE.cool"
        shutil.copy(tiny_map_path, path)
        clr = cooler.Cooler(str(path))
        first, last = clr.extent(chrom)
        with h5py.File(path, "r+") as file:
            pixels = file["pixels"]
            own = (pixels["bin1_id"][:] >= first) & (pixels["bin2_id"][:] < last)
            for name in ("count", "value", "oe"):
                values = pixels[name][:]
                values[own] = values[own][::-1] * 3
                pixels[name][:] = values
        table = pd.read_csv(expected_path(tiny_map_path), sep="\t")
        own = table["region1"].str.startswith(chrom)
        table.loc[own, "expected"] *= 5
        table.to_csv(expected_path(path), sep="\t", index=False)
        return path

    return make
