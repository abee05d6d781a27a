"""Chains as files of programs that show molecules: PDB (version 3.3) and PDBx/mmCIF.

Every bin with coordinates is an alpha carbon of a glycine, and bins lie as far apart as these do in
proteins, so that such programs draw a chain. Residues are numbered by bins, from 1.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError

NEIGHBOURS = 3.8  # angstroms between alpha carbons
MOST_IN_PDB = 9_999  # residues of a chain


def write_pdb(chain: pd.DataFrame, path: str | Path) -> None:
    """Write the chain of a chromosome as PDB; neighbouring bins are joined by CONECT.

    Parameters
    ----------
    chain : DataFrame
        One row per bin: chrom, start, end, x, y, z; rows without coordinates are left out.
    path : str or Path

    Raises
    ------
    InputError
        There are more bins than a chain of this format holds.
    """
    if len(chain) > MOST_IN_PDB:
        raise InputError(
            f"{chain['chrom'].iloc[0]} has {len(chain):,} bins, PDB holds {MOST_IN_PDB:,}; lower "
            "structure.max_bins"
        )
    number, x = _placed(chain)
    lines = [f"REMARK   1 {remark}" for remark in _remarks(chain)]
    lines += [
        f"ATOM  {n:5d}  CA  GLY A{n:4d}    {a:8.3f}{b:8.3f}{c:8.3f}  1.00  0.00           C"
        for n, (a, b, c) in zip(number, x)
    ]
    joined = [(n, m) for n, m in pairwise(number) if m == n + 1]
    lines += [f"CONECT{n:5d}{m:5d}" for n, m in joined]
    Path(path).write_text("\n".join([*lines, "END"]) + "\n")


def write_cif(chain: pd.DataFrame, path: str | Path) -> None:
    """Write the chain of a chromosome as mmCIF; parameters as of `write_pdb`."""
    number, x = _placed(chain)
    columns = [
        *("group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id"),
        *("label_asym_id", "label_entity_id", "label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z"),
        *("occupancy", "B_iso_or_equiv", "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num"),
    ]
    lines = [f"# {remark}" for remark in _remarks(chain)]
    lines += [f"data_{chain['chrom'].iloc[0]}", "loop_", *(f"_atom_site.{c}" for c in columns)]
    lines += [
        f"ATOM {n} C CA . GLY A 1 {n} {a:.3f} {b:.3f} {c:.3f} 1 0 {n} A 1"
        for n, (a, b, c) in zip(number, x)
    ]
    Path(path).write_text("\n".join([*lines, "#"]) + "\n")


def _placed(chain: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    x = chain[["x", "y", "z"]].to_numpy()
    placed = np.isfinite(x).all(axis=1)
    return np.flatnonzero(placed) + 1, x[placed] * NEIGHBOURS


def _remarks(chain: pd.DataFrame) -> list[str]:
    chrom, size = chain["chrom"].iloc[0], int(chain["end"].iloc[0])
    return [
        f"{chrom}: residue n is the bin from (n - 1) * {size} to n * {size} bp",
        f"median distance of neighbouring bins: {NEIGHBOURS} (the scale is arbitrary)",
        "a map does not tell a chain from its mirror image",
    ]
