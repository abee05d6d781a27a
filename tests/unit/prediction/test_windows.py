"""One region of two maps, for a picture."""

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.windows import choose_region, read_split


def test_the_middle_of_what_is_covered_is_chosen(tiny_map_path):
    clr = cooler.Cooler(str(tiny_map_path))
    assert choose_region(clr) == ("chr1", 0, 1_195_000)  # shorter than 3 Mb
    assert choose_region(clr, "chr2") == ("chr2", 0, 800_000)
    assert choose_region(clr, "chr1:200000-405000") == ("chr1", 200_000, 405_000)
    with pytest.raises(InputError, match="chr9"):
        choose_region(clr, "chr9")


def test_a_region_is_read_symmetric_and_masked(tiny_map_path, tmp_path):
    observed = NormalizedMap(tiny_map_path)
    bins = observed.bins[["chrom", "start", "end"]]
    pixels = pd.DataFrame({"bin1_id": [22, 22], "bin2_id": [25, 30], "count": [1.5, 4.0]})
    predicted = tmp_path / "predicted.mcool"
    cooler.create_cooler(
        f"{predicted}::resolutions/10000", bins, pixels, dtypes={"count": np.float32}
    )
    a, b = read_split(tiny_map_path, predicted, "chr1", 200_000, 405_000)
    assert a.shape == b.shape == (21, 21)
    assert b[2, 5] == b[5, 2] == 1.5
    assert np.isnan(b[2, 6])  # no prediction
    assert np.isnan(np.diagonal(a)).all()  # nearer than ignore_diags
    assert np.isnan(np.diagonal(a, 1)).all()
    assert np.isnan(b[10]).all()  # bin 30 is masked
    assert np.isnan(a[10]).all()
    band = observed.band("chr1", 20, 41)
    assert a[3, 9] == a[9, 3] == pytest.approx(band[6, 3])
