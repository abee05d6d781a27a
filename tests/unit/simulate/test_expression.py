"""Expression in which enhancers act through contacts: what raises a gene, and what tells of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chromloom.evaluation.regulation import read_tested
from chromloom.expression.interactions import find_elements, read_interactions
from chromloom.expression.table import read_expression
from chromloom.genome.genes import read_genes
from chromloom.simulate.contacts import expected_contacts, tss
from chromloom.simulate.expression import (
    CONTACT,
    FARTHEST,
    GAIN,
    MARKS,
    MOST,
    NEAREST,
    NOISE,
    STEP,
    capture,
    enhancer_effects,
    expressed_genes,
    mark_track,
)
from chromloom.simulate.plan import make_plan
from chromloom.simulate.write_expression import write_expression


@pytest.fixture(scope="module")
def plan():
    return make_plan(3, chromsizes={"chr1": 4_000_000, "chr2": 2_500_000})


def test_effects_are_those_of_each_pair_by_itself(plan):
    found = enhancer_effects(plan).set_index(["gene", "enhancer"])["effect"].to_dict()
    expected = {}
    for chrom in plan.chromsizes.index:
        band = expected_contacts(plan, chrom, plan.resolution, visible=False)
        genes = plan.rows("genes", chrom)
        for gene, start in zip(genes["name"], tss(genes)):
            for row in plan.rows("enhancers", chrom).itertuples():
                middle = (row.start + row.end) // 2
                i, j = sorted([start // plan.resolution, middle // plan.resolution])
                contact = band[j - i, i] / np.nanmean(band[j - i])
                if NEAREST < abs(middle - start) <= FARTHEST and contact > CONTACT:
                    strength = min(contact, MOST) / MOST
                    expected[gene, row.name] = GAIN * row.activity * strength
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(found) > 20


def test_levels_are_own_and_effect_and_noise(plan):
    genes = expressed_genes(plan)
    total = enhancer_effects(plan).groupby("gene")["effect"].sum()
    np.testing.assert_allclose(genes["effect"], genes["gene"].map(total).fillna(0))
    positive = genes[genes["level"] > 0]
    rest = positive["level"] - positive["own"] - positive["effect"]
    assert rest.std() == pytest.approx(NOISE, rel=0.3)
    np.testing.assert_allclose(genes["value"], 2 ** genes["level"] - 1)


def test_a_gene_without_its_enhancer_is_lower_and_its_promoter_looks_the_same(plan):
    """What acts through contacts cannot be read off the promoter: only off the element."""
    effects = enhancer_effects(plan)
    row = effects.loc[effects["effect"].idxmax()]
    without = replace(plan, enhancers=plan.enhancers[plan.enhancers["name"] != row["enhancer"]])
    genes = pd.DataFrame({"before": expressed_genes(plan).set_index("gene")["own"],
                          "after": expressed_genes(without).set_index("gene")["own"]})  # fmt: skip
    pd.testing.assert_series_equal(genes["before"], genes["after"], check_names=False)
    change = (
        expressed_genes(without).set_index("gene")["effect"]
        - expressed_genes(plan).set_index("gene")["effect"]
    )
    assert change[row["gene"]] < -0.3
    changed = {
        mark: np.flatnonzero(
            np.nan_to_num(mark_track(plan, mark)[row["chrom"]])
            != np.nan_to_num(mark_track(without, mark)[row["chrom"]])
        )
        for mark in MARKS
    }
    middle = (row["start"] + row["end"]) // 2 // STEP
    for mark in ("H3K4me1", "H3K27ac", "H3K9ac"):
        assert len(changed[mark])
        assert np.abs(changed[mark] - middle).max() <= 3
    assert not any(len(changed[mark]) for mark in ("H3K4me3", "H3K36me3", "H3K27me3", "H3K9me3"))


def test_files_are_read_as_real_ones_are(plan, tmp_path):
    write_expression({"A": plan}, tmp_path)
    genes = read_genes(tmp_path / "genes.bed", plan.chromsizes)
    assert set(genes["tss"]) == set(expressed_genes(plan)["tss"])
    table = read_expression(tmp_path / "expression.tsv", genes, column="A", unit="tpm")
    truth = expressed_genes(plan).set_index("gene")["level"]
    np.testing.assert_allclose(table["level"], truth[table["gene"]], atol=1e-3)
    interactions = read_interactions(tmp_path / "A_capture.bedpe", plan.chromsizes)
    elements = find_elements(genes, interactions)
    assert elements.groupby("gene").size().between(1, 8).all()
    tested = read_tested(tmp_path / "A_tested.tsv", genes, plan.chromsizes)
    effects = enhancer_effects(plan)
    assert tested["regulated"].sum() == len(effects) < len(tested) / 2
    middle = (tested["start"] + tested["end"]) // 2
    distance = (middle - tested["gene"].map(genes.set_index("gene")["tss"])).abs()
    assert distance.between(NEAREST, FARTHEST, inclusive="right").all()
    own = tested[tested["regulated"]].merge(effects, on=["gene", "chrom", "start", "end"])
    assert set(own["enhancer"]) == set(effects["enhancer"])
    counted = capture(plan)
    assert (counted["score"] > 1).all()
    with pyBigWig.open(str(tmp_path / "A_H3K27ac.bw")) as file:
        track = mark_track(plan, "H3K27ac")["chr2"]
        for place in (800, 3_000):
            value = file.stats("chr2", place * STEP, (place + 1) * STEP, exact=True)[0]
            assert value == pytest.approx(float(track[place]), rel=1e-5)
