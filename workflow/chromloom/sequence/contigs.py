"""Windows of sequence to learn from: contigs without gaps, dealt to roles, and cut into windows.

As Akita's data were made (Fudenberg et al. 2020, Methods, Training data): chromosomes are broken at
assembly gaps, unmappable stretches and runs of filtered bins, contigs are dealt 80/10/10 to
training, validation and test, and windows are taken from them at a stride that differs by role.
`sequences.bed` and `statistics.json` are read and written in the published form, in which the
validation set is called `valid`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.files import atomic_path, write_json
from chromloom.genome.bins import find_runs
from chromloom.genome.names import harmonise_names
from chromloom.tables import BED, Column, read_table

PLACE = ["chrom", "start", "end"]
LONGEST = 1 << 23
"""bp; longer contigs are halved, so that roles are mixed along chromosomes."""
STRIDES = {"train": 1 << 18, "validation": 1 << 19, "test": 1 << 19}
"""bp from the start of a window to that of the next."""
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
PUBLISHED = {"train": "train", "valid": "validation", "test": "test"}
"""Role by its name in `sequences.bed`."""


def unusable_bins(filtered: np.ndarray, run: int = 10) -> np.ndarray:
    """Bins in runs of at least `run` filtered ones; (n,), bool, both."""
    unusable = np.zeros(len(filtered), bool)
    for start, end in find_runs(filtered):
        unusable[start:end] = end - start >= run
    return unusable


def make_contigs(
    usable: Mapping[str, np.ndarray], bin_size: int, *, shortest: int, longest: int = LONGEST
) -> pd.DataFrame:
    """Stretches of usable bins.

    Parameters
    ----------
    usable : mapping
        Chromosome -> (n,), bool: whether a bin may be learnt from.
    bin_size, shortest, longest : int
        bp. Stretches shorter than a window are left out, longer ones than `longest` are halved
        until none is.

    Returns
    -------
    DataFrame
        chrom, start, end (multiples of the bin size).
    """
    rows: list[tuple[str, int, int]] = []
    for chrom, own in usable.items():
        edges = find_runs(own).tolist()
        while edges:
            start, end = edges.pop(0)
            if (end - start) * bin_size < shortest:
                continue
            if (end - start) * bin_size <= longest:
                rows.append((chrom, start * bin_size, end * bin_size))
                continue
            middle = (start + end) // 2
            edges[:0] = [[start, middle], [middle, end]]
    table = pd.DataFrame(rows, columns=PLACE)
    return table.astype({"start": np.int64, "end": np.int64})


def deal_contigs(contigs: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Give each contig a role: in a drawn order, that which lacks most of its share of `SHARES`.

    Returns
    -------
    DataFrame
        chrom, start, end, role; in the order of `contigs`.
    """
    length = (contigs["end"] - contigs["start"]).to_numpy(float)
    have, roles = dict.fromkeys(SHARES, 0.0), np.empty(len(contigs), object)
    for number in np.random.default_rng(seed).permutation(len(contigs)):
        role = max(SHARES, key=lambda name: SHARES[name] * length.sum() - have[name])
        roles[number] = role
        have[role] += length[number]
    return contigs.assign(role=roles)


def cut_windows(
    contigs: pd.DataFrame, length: int, strides: Mapping[str, int] = STRIDES
) -> pd.DataFrame:
    """Windows of contigs with roles, from the start of each contig at the stride of its role.

    Parameters
    ----------
    contigs : DataFrame
        chrom, start, end, role.
    length : int
        bp of a window.
    strides : mapping
        Role -> bp.

    Returns
    -------
    DataFrame
        chrom, start, end, role.

    Raises
    ------
    InputError
        A role has no window.
    """
    rows = [
        (chrom, at, at + length, role)
        for chrom, start, end, role in contigs[[*PLACE, "role"]].itertuples(index=False)
        for at in range(start, end - length + 1, strides[role])
    ]
    table = pd.DataFrame(rows, columns=[*PLACE, "role"])
    for role in strides:
        if not (table["role"] == role).any():
            raise InputError(
                f"no window of {length:,} bp is left for {role}: contigs are too short or too few; "
                "take shorter windows, or give the sequences of each role yourself"
            )
    return table.astype({"start": np.int64, "end": np.int64})


def check_apart(windows: pd.DataFrame) -> None:
    """Refuse windows of two roles that share a base.

    Raises
    ------
    InputError
        Two do; the message names them.
    """
    for chrom, own in windows.sort_values(["chrom", "start"]).groupby("chrom", sort=False):
        reach: dict[str, int] = {}
        for start, end, role in own[["start", "end", "role"]].itertuples(index=False):
            for other, last in reach.items():
                if other != role and start < last:
                    raise InputError(
                        f"sequences: the {role} window {chrom}:{start}-{end} shares bases with a "
                        f"{other} window; what is tested may not be learnt from: take one out"
                    )
            reach[role] = max(reach.get(role, 0), end)


def read_sequences_bed(path: str | Path, chromsizes: pd.Series) -> pd.DataFrame:
    """Windows in the published form: chrom, start, end and train, valid or test.

    Returns
    -------
    DataFrame
        chrom (as the assembly has it), start, end, role.

    Raises
    ------
    InputError
        No such table, another role or length, beyond a chromosome, or roles that share bases.
    """
    contract = {**{name: BED[name] for name in PLACE}, "role": Column()}
    table = read_table(path, contract, what="sequences", names=list(contract), sep=None)
    names = harmonise_names(table["chrom"].unique(), chromsizes, source=str(path))
    table["chrom"] = table["chrom"].map(names)
    table = table.dropna(subset="chrom")
    roles = table["role"].map(PUBLISHED)
    for line in table.index[roles.isna()]:
        raise InputError(
            f"{path}, line {line}: role {table['role'][line]!r}; expected {', '.join(PUBLISHED)}"
        )
    lengths = table["end"] - table["start"]
    for line in table.index[lengths <= 0]:
        raise InputError(
            f"{path}, line {line}: the window ends at {table['end'][line]:,}, before its start "
            f"{table['start'][line]:,}; give start < end"
        )
    for line in table.index[lengths != lengths.iloc[0]]:
        raise InputError(
            f"{path}, line {line}: a window of {lengths[line]:,} bp, the first has "
            f"{lengths.iloc[0]:,} bp; give windows of one length"
        )
    for line in table.index[table["end"] > table["chrom"].map(chromsizes)]:
        raise InputError(
            f"{path}, line {line}: the window ends beyond {table['chrom'][line]}; is the file for "
            "another assembly?"
        )
    windows = table.assign(role=roles).reset_index(drop=True)
    check_apart(windows)
    return windows


def write_sequences_bed(windows: pd.DataFrame, path: str | Path) -> None:
    """Write windows in the published form; see `read_sequences_bed`."""
    names = {role: name for name, role in PUBLISHED.items()}
    table = windows[PLACE].assign(role=windows["role"].map(names))
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", header=False, index=False)


def write_statistics(
    windows: pd.DataFrame,
    path: str | Path,
    *,
    num_targets: int,
    bin_size: int,
    crop: int,
    ignore_diags: int,
    target_length: int,
) -> None:
    """Write `statistics.json` in the published form; `crop` in bins on each side."""
    length = int(windows["end"].iloc[0] - windows["start"].iloc[0])
    numbers = {
        f"{name}_seqs": int((windows["role"] == role).sum()) for name, role in PUBLISHED.items()
    }
    written = {
        "num_targets": num_targets,
        **numbers,
        "seq_length": length,
        "pool_width": bin_size,
        "crop_bp": crop * bin_size,
        "diagonal_offset": ignore_diags,
        "target_length": target_length,
    }
    write_json(written, path)
