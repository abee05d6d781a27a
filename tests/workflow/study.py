"""A small study of a simulated genome, to be run more than once, and what equal results are."""

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

RUN = "A.10000.ICE.hiclstm-paper"
WEIGHTS = f"results/models/{RUN}/model.safetensors"
NORMALIZED = "results/normalized/A.10000.ICE.cool"
TARGETS = [f"results/representations/{RUN}.parquet", "results/analysis/A.10000.ICE/insulation.tsv"]
CONFIG = {
    "samples": "samples.tsv",
    "simulate": {"seed": 1, "chromsizes": {"chr1": 3_000_000, "chr2": 2_000_000}, "depth": 0.03},
    "device": "cpu",
    "training": {"models": ["hiclstm-paper"], "options": {"hiclstm-paper": {"epochs": 2}}},
}
SAMPLES = """\
sample	cell_type	assembly	contacts
A	A	results/simulated/simulated	results/simulated/contacts/A.mcool
"""
TIMINGS = ["seconds", "pairs_per_s"]


def write_study(folder: Path) -> Path:
    """Write configuration and sheet of the study to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(json.dumps(CONFIG))
    (folder / "samples.tsv").write_text(SAMPLES)
    return folder


def copy_study(finished: Path, folder: Path, *, without: list[str]) -> Path:
    """A copy of the finished study, from which some results have gone."""
    shutil.copytree(finished, folder, symlinks=True, dirs_exist_ok=True)
    for name in without:
        (folder / name).unlink()
    return folder


def differences(left: Path, right: Path) -> list[str]:
    """Files of `results` that one folder lacks or that differ, times and dates aside.

    Everything is compared byte for byte but HDF5 (whose header holds the date of creation: every
    data set is), PDF (without that date) and the history of training (without the seconds that it
    took).
    """
    names = sorted({*_files(left), *_files(right)})
    return [name for name in names if not _equal(left / name, right / name)]


def _files(folder: Path) -> list[str]:
    return [str(p.relative_to(folder)) for p in (folder / "results").rglob("*") if p.is_file()]


def _equal(left: Path, right: Path) -> bool:
    if not (left.exists() and right.exists()):
        return False
    if left.suffix in (".cool", ".mcool"):
        return _datasets(left) == _datasets(right)
    if left.name == "history.tsv":
        tables = [
            pd.read_csv(path, sep="\t").drop(columns=TIMINGS, errors="ignore")
            for path in (left, right)
        ]
        return tables[0].equals(tables[1])
    contents = [path.read_bytes() for path in (left, right)]
    if left.suffix == ".pdf":
        contents = [re.sub(rb"/CreationDate \(.*?\)", b"", content) for content in contents]
    return contents[0] == contents[1]


def _datasets(path: Path) -> dict[str, bytes]:
    content = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                content.update({name: np.asarray(item).tobytes()})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return content
