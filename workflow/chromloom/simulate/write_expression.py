"""Genes, expression, marks and promoter capture of a simulated genome, as real data have them."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from chromloom.files import atomic_path, write_tsv
from chromloom.signals.tracks import write_steps
from chromloom.simulate.expression import (
    MARKS,
    STEP,
    capture,
    enhancer_effects,
    expressed_genes,
    mark_track,
    tested_pairs,
)
from chromloom.simulate.plan import Plan


def write_expression(plans: Mapping[str, Plan], folder: str | Path) -> None:
    """Write the rule of `simulate.expression` of all cell types.

    Parameters
    ----------
    plans : mapping of str to Plan
        Cell type -> plan, of one genome.
    folder : str or Path
        Gets genes.bed, expression.tsv (a column per cell type), for each cell type
        {cell_type}_{mark}.bw and {cell_type}_capture.bedpe, and the truth:
        {cell_type}_effects.tsv (of enhancers on genes), {cell_type}_tested.tsv (pairs of both, as
        expression.tested takes them) and {cell_type}_genes.tsv.
    """
    folder = Path(folder)
    first = next(iter(plans.values()))
    levels = {}
    for cell_type, plan in plans.items():
        genes = expressed_genes(plan)
        levels[cell_type] = genes["value"].round(4)
        write_tsv(genes, folder / f"{cell_type}_genes.tsv")
        write_tsv(enhancer_effects(plan), folder / f"{cell_type}_effects.tsv")
        write_tsv(tested_pairs(plan), folder / f"{cell_type}_tested.tsv")
        _write_plain(capture(plan), folder / f"{cell_type}_capture.bedpe")
        for mark in MARKS:
            path = folder / f"{cell_type}_{mark}.bw"
            write_steps(mark_track(plan, mark), STEP, path, plan.chromsizes)
    genes = expressed_genes(first)
    write_tsv(pd.DataFrame({"gene_id": genes["gene"]} | levels), folder / "expression.tsv")
    bed = genes[["chrom", "start", "end", "gene"]].assign(score=0, strand=genes["strand"])
    _write_plain(bed, folder / "genes.bed")


def _write_plain(table: pd.DataFrame, path: Path) -> None:
    """Rows without a header, as BED and BEDPE have them."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", header=False, index=False)
