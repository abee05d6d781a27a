"""Files that were damaged after they were written are found when they are read."""

import shutil

import pandas as pd
import pytest

from chromloom.errors import InputError, explain
from chromloom.normalize.maps import NormalizedMap, expected_path


@pytest.fixture
def own_map(tiny_map_path, tmp_path):
    """A copy of the tiny map, to be damaged."""
    for path in (tiny_map_path, expected_path(tiny_map_path)):
        shutil.copy(path, tmp_path)
    return tmp_path / tiny_map_path.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "damaged"),
        (lambda text: "not this" * 50, "damaged.*region1"),
        (lambda text: text[: len(text) // 3], "damaged.*'chr.' is not in it"),
        (lambda text: text.rstrip().rpartition("\n")[0] + "\n", "damaged.*it has .* rows of"),
        (lambda text: text.rstrip().rpartition("\t")[0], "damaged.*a line is not whole"),
    ],
)
def test_a_damaged_expected_table_is_found(own_map, change, message):
    path = expected_path(own_map)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        _ = NormalizedMap(own_map).expected_table


def test_a_table_that_no_memory_was_left_for_is_not_called_damaged(own_map, monkeypatch):
    def read(path):
        raise pd.errors.ParserError("Error tokenizing data. C error: out of memory")

    monkeypatch.setattr("chromloom.normalize.maps.read_tsv", read)
    with pytest.raises(InputError) as caught:
        _ = NormalizedMap(own_map).expected_table
    assert explain(caught.value).startswith("memory ran out (Error tokenizing data.")


def test_a_block_that_cannot_be_decompressed_is_found(own_map):
    import h5py

    with h5py.File(own_map) as file:
        chunk = file["pixels/value"].id.get_chunk_info(0)
    with own_map.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    normalized = NormalizedMap(own_map)
    with pytest.raises(InputError, match=r"cannot be read on chromosome 'chr1'.*damaged"):
        normalized.pixels("chr1")
